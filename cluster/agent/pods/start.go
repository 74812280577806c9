package pods

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/pull"
	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/agent/status"
	"noriter.dev/noriter/cluster/backoff"
	"noriter.dev/noriter/cluster/trace"
)

// The reasons a container waits that don't come from its image
// (pkg/kubelet/kuberuntime and pkg/kubelet/container/sync_result.go).
const (
	crashLoopBackOff           = "CrashLoopBackOff"
	createContainerConfigError = "CreateContainerConfigError"
	createContainerError       = "CreateContainerError"
	runContainerError          = "RunContainerError"
	postStartHookError         = "PostStartHookError"
)

// imageLook is how soon a first failed pull is looked at again, so that the pod's
// status goes from ErrImagePull to ImagePullBackOff. (With kubelet it is the news
// of the sandbox's start that brings that look.)
const imageLook = 2 * time.Second

// syncJitter lengthens syncRetry by up to a half, as upstream's
// workerBackOffPeriodJitterFactor.
const syncJitter = 0.5

// instance is what the containers of a pod are started with.
type instance struct {
	sandbox   *cri.PodSandboxConfig
	sandboxID string
	facts     podspec.Facts
}

// failure is why a container did not start.
type failure struct {
	status.Waiting
	retry time.Time // when to try again
}

// startAll starts containers in order. An init container that doesn't start holds
// the rest up; main containers don't wait for each other.
func (w *worker) startAll(ctx, syncing context.Context, pod *v1.Pod, have *runtime.Pod, list []*v1.Container, in instance) (did bool, wait time.Duration) {
	now := w.m.Clock.Now()
	note := func(until time.Time) {
		if left := max(until.Sub(now), time.Millisecond); wait == 0 || left < wait {
			wait = left
		}
	}
	for _, c := range list {
		if syncing.Err() != nil {
			return true, 0 // to be stopped: look again
		}
		key := startKey(c)
		if until, held := w.notBefore[key]; held && now.Before(until) {
			note(until)
			if w.holdsUp(pod, c) {
				break
			}
			continue
		}
		delete(w.notBefore, key)
		f := w.start(ctx, syncing, pod, have, c, in)
		if f == nil {
			delete(w.waiting, c.Name)
			did = true
			continue
		}
		if syncing.Err() != nil {
			return true, 0
		}
		w.notBefore[key] = f.retry
		note(f.retry)
		if w.waiting[c.Name] != f.Waiting {
			w.waiting[c.Name] = f.Waiting
			did = true // publish it
		}
		if w.holdsUp(pod, c) {
			break
		}
	}
	return did, wait
}

// startKey tells attempts at different definitions of a container apart: whoever
// mends an image's name need not sit out the back-off of the wrong one.
func startKey(c *v1.Container) string { return c.Name + "/" + runtime.Hash(c) }

// holdsUp tells whether the containers after c have to wait for it.
func (w *worker) holdsUp(pod *v1.Pod, c *v1.Container) bool {
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == c.Name {
			return !podspec.IsSidecar(c)
		}
	}
	return false
}

// start brings one container up: back-off, image, creation, start, postStart hook.
func (w *worker) start(ctx, syncing context.Context, pod *v1.Pod, have *runtime.Pod, c *v1.Container, in instance) *failure {
	if f := w.crashBackOff(ctx, pod, have, c); f != nil {
		return f
	}
	var missing []string
	ref, err := w.m.Images.Ensure(syncing, pull.Request{
		Pod: pod, Container: c, Sandbox: in.sandbox,
		Secrets: func(ctx context.Context) (found []*v1.Secret) {
			found, missing = w.pullSecrets(ctx, pod)
			return found
		},
	})
	if err != nil {
		return w.imageFailure(pod, c, err, missing)
	}
	restarts := w.restarts(pod, have, c)
	config, err := w.containerConfig(syncing, pod, have, c, in, ref, restarts)
	if syncing.Err() != nil {
		return &failure{} // the pod is to be stopped; nobody will read why this failed
	}
	if err != nil {
		return w.startFailure(pod, c, createContainerConfigError, err)
	}
	id, err := w.m.Runtime.CreateContainer(ctx, in.sandboxID, config, in.sandbox)
	if err != nil {
		return w.startFailure(pod, c, createContainerError, err)
	}
	w.containerEvent(pod, c, v1.EventTypeNormal, "Created", "Container created")
	if err := w.m.Runtime.StartContainer(ctx, id); err != nil {
		return w.startFailure(pod, c, runContainerError, errors.New(strings.ReplaceAll(runtime.Message(err), id, c.Name)))
	}
	w.containerEvent(pod, c, v1.EventTypeNormal, "Started", "Container started")
	if restarts > 0 {
		trace.Decide(ctx, trace.For(pod), "start container "+c.Name+" again", "it ended and its restart policy says so", "restarts", restarts)
	}
	w.linkLog(pod, c, id, filepath.Join(in.sandbox.LogDirectory, config.LogPath))
	return w.postStart(syncing, pod, c, id, in)
}

// crashBackOff makes a container that ended wait before it is started again: not the
// first time, then 10 s, 20 s … 300 s after it ended.
func (w *worker) crashBackOff(ctx context.Context, pod *v1.Pod, have *runtime.Pod, c *v1.Container) *failure {
	var last *runtime.Container
	for _, candidate := range have.Containers {
		if candidate.Name == c.Name && candidate.State == runtime.Exited {
			last = candidate
			break
		}
	}
	if last == nil {
		return nil
	}
	key := string(w.uid) + "/" + startKey(c)
	until, delay := w.m.crash.Until(key, last.FinishedAt)
	if delay == 0 {
		w.m.crash.Next(key, last.FinishedAt)
		return nil
	}
	full := podspec.Full(pod)
	w.containerEvent(pod, c, v1.EventTypeWarning, "BackOff",
		fmt.Sprintf("Back-off restarting failed container %s in pod %s", c.Name, full))
	trace.Decide(ctx, trace.For(pod), "wait before starting container "+c.Name+" again",
		fmt.Sprintf("it ended with exit code %d (%s), not for the first time", last.ExitCode, last.Reason),
		"delay", delay.String(), "restarts", last.Restarts)
	return &failure{status.Waiting{
		Reason:  crashLoopBackOff,
		Message: fmt.Sprintf("back-off %s restarting failed container=%s pod=%s", delay, c.Name, full),
	}, until}
}

// imageFailure is the waiting reason of a container whose image is not there.
// missing are the pull secrets that were not found: they are worth telling of
// where a pull has failed.
func (w *worker) imageFailure(pod *v1.Pod, c *v1.Container, err error, missing []string) *failure {
	now := w.m.Clock.Now()
	var why *pull.Error
	if !errors.As(err, &why) {
		return &failure{status.Waiting{Reason: pull.ErrImagePull, Message: err.Error()}, now.Add(syncRetry)}
	}
	w.containerEvent(pod, c, v1.EventTypeWarning, "Failed", "Error: "+why.Reason)
	if why.Reason == pull.ErrImagePull && len(missing) > 0 {
		w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeWarning, "FailedToRetrieveImagePullSecret",
			fmt.Sprintf("Unable to retrieve some image pull secrets (%s); attempting to pull the image may not succeed.", strings.Join(missing, ", ")))
	}
	// The registry is left alone until the back-off ends, but the pod is looked
	// at as often as kubelet does: each look during a back-off is an event, and
	// the first one after it pulls.
	retry := wait.Jitter(syncRetry, syncJitter)
	if why.Reason == pull.ErrImagePull && why.Delay <= backoff.Initial {
		retry = imageLook
	}
	return &failure{status.Waiting{Reason: why.Reason, Message: why.Message}, now.Add(retry)}
}

// startFailure reports why a container could not be made or started.
func (w *worker) startFailure(pod *v1.Pod, c *v1.Container, reason string, err error) *failure {
	message := runtime.Message(err)
	w.containerEvent(pod, c, v1.EventTypeWarning, "Failed", "Error: "+message)
	retry := w.m.Clock.Now().Add(syncRetry)
	if reason == runContainerError {
		retry = w.m.Clock.Now() // it exists and has ended: the crash back-off decides
	}
	return &failure{status.Waiting{Reason: reason, Message: message}, retry}
}

func (w *worker) containerEvent(pod *v1.Pod, c *v1.Container, kind, reason, message string) {
	w.m.Events.Event(podspec.Ref(pod, c.Name), kind, reason, message)
}

// pullSecrets reads the secrets the pod names, and tells which are missing. (Those
// of its service account were written into the pod when it was created.)
func (w *worker) pullSecrets(ctx context.Context, pod *v1.Pod) (found []*v1.Secret, missing []string) {
	for _, ref := range pod.Spec.ImagePullSecrets {
		if ref.Name == "" {
			continue // valid, if useless
		}
		secret, err := w.m.Objects.Secret(ctx, pod.Namespace, ref.Name)
		if err != nil {
			if !apierrors.IsNotFound(err) {
				slog.Warn("reading an image pull secret", "pod", podspec.Full(pod), "secret", ref.Name, "error", err)
			}
			missing = append(missing, ref.Name)
			continue
		}
		found = append(found, secret)
	}
	return found, missing
}

func (w *worker) containerConfig(ctx context.Context, pod *v1.Pod, have *runtime.Pod, c *v1.Container, in instance, ref string, restarts int) (*cri.ContainerConfig, error) {
	user, err := w.m.Images.User(ctx, ref)
	if err != nil {
		return nil, err
	}
	target, err := targetOf(pod, have, c)
	if err != nil {
		return nil, err
	}
	return w.m.Node.Container(ctx, w.m.Objects, pod, c, in.facts,
		podspec.Instance{Restarts: restarts, ImageRef: ref, User: user, TargetID: target})
}

// targetOf is the container whose processes an ephemeral container is to see.
func targetOf(pod *v1.Pod, have *runtime.Pod, c *v1.Container) (string, error) {
	for _, e := range pod.Spec.EphemeralContainers {
		if e.Name != c.Name || e.TargetContainerName == "" {
			continue
		}
		target := have.Newest(e.TargetContainerName)
		if target == nil {
			return "", fmt.Errorf("unable to find target container %v", e.TargetContainerName)
		}
		return target.ID, nil
	}
	return "", nil
}

var logFile = regexp.MustCompile(`^(\d+)\.log`)

// restarts numbers the next instance of a container: one more than the last the
// runtime knows, or than the last that left a log (a runtime may forget all its
// containers at a reboot).
func (w *worker) restarts(pod *v1.Pod, have *runtime.Pod, c *v1.Container) int {
	if last := have.Newest(c.Name); last != nil {
		return last.Restarts + 1
	}
	dir := filepath.Join(w.m.Node.PodLogDir(pod.Namespace, pod.Name, pod.UID), c.Name)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0 // no logs, no restarts
	}
	next := 0
	for _, e := range entries {
		if m := logFile.FindStringSubmatch(e.Name()); m != nil && !e.IsDir() {
			if n, err := strconv.Atoi(m[1]); err == nil {
				next = max(next, n+1)
			}
		}
	}
	return next
}

// linkLog makes the link by which log collectors find a container's log.
func (w *worker) linkLog(pod *v1.Pod, c *v1.Container, id, path string) {
	if w.m.ContainerLogs == "" {
		return
	}
	link := filepath.Join(w.m.ContainerLogs, logLink(pod.Name, pod.Namespace, c.Name, id))
	if err := os.Symlink(path, link); err != nil && !os.IsExist(err) {
		slog.Warn("linking a container's log", "path", link, "error", err)
	}
}

// logLink is NAME_NAMESPACE_CONTAINER-ID.log, cut to what a file name may be.
func logLink(pod, namespace, container, id string) string {
	const longest = 251 // a file name's 255 bytes without ".log"
	name := fmt.Sprintf("%s_%s_%s-%s", pod, namespace, container, id)
	return name[:min(len(name), longest)] + ".log"
}
