package pods

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/agent/images"
	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/agent/status"
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

// instance is what the containers of a pod are started with.
type instance struct {
	sandbox   *cri.PodSandboxConfig
	sandboxID string
	facts     podspec.Facts
}

// startFailure is why a container did not start.
type startFailure struct {
	status.Waiting
	retry time.Time // when to try again
}

// startContainers starts containers in order. An init container that doesn't start holds
// the rest up; main containers don't wait for each other.
func (w *podWorker) startContainers(ctx, untilStop context.Context, pod *v1.Pod, have *runtime.Pod, list []*v1.Container, in instance) (did bool, wait time.Duration) {
	now := w.m.Clock.Now()
	note := func(until time.Time) {
		// Not 0, which would mean that there is nothing to wait for.
		if left := max(until.Sub(now), time.Millisecond); wait == 0 || left < wait {
			wait = left
		}
	}
	for _, c := range list {
		if untilStop.Err() != nil {
			return true, 0 // to be stopped: look again
		}
		key := startKey(c)
		if until, held := w.notBefore[key]; held && now.Before(until) {
			note(until)
			if holdsUp(pod, c) {
				break
			}
			continue
		}
		delete(w.notBefore, key)
		f := w.startContainer(ctx, untilStop, pod, have, c, in)
		if f == nil {
			delete(w.waiting, c.Name)
			did = true
			continue
		}
		if untilStop.Err() != nil {
			return true, 0
		}
		w.notBefore[key] = f.retry
		note(f.retry)
		if w.waiting[c.Name] != f.Waiting {
			w.waiting[c.Name] = f.Waiting
			did = true // publish it
		}
		if holdsUp(pod, c) {
			break
		}
	}
	return did, wait
}

// startKey tells attempts at different definitions of a container apart: whoever
// corrects an image's name need not wait for the back-off of the wrong one.
func startKey(c *v1.Container) string { return c.Name + "/" + runtime.HashContainer(c) }

// holdsUp tells whether the containers after c have to wait for it.
func holdsUp(pod *v1.Pod, c *v1.Container) bool {
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == c.Name {
			return !podspec.IsSidecar(c)
		}
	}
	return false
}

// startContainer brings one container up: back-off, image, creation, start, postStart
// hook (startContainer in pkg/kubelet/kuberuntime/kuberuntime_container.go). Each step
// has a reason of its own for when it fails, so that `kubectl get pods` tells how far a
// container came.
func (w *podWorker) startContainer(ctx, untilStop context.Context, pod *v1.Pod, have *runtime.Pod, c *v1.Container, in instance) *startFailure {
	// 1. May it be started yet?
	if f := w.doBackOff(ctx, pod, have, c); f != nil {
		return f
	}

	// 2. Its image. A pull may take minutes; a deletion ends it.
	var missing []string
	ref, err := w.m.Images.EnsureImageExists(untilStop, images.Request{
		Pod: pod, Container: c, Sandbox: in.sandbox,
		Secrets: func(ctx context.Context) (found []*v1.Secret) {
			found, missing = w.pullSecrets(ctx, pod)
			return found
		},
	})
	if err != nil {
		return w.imageFailure(pod, c, err, missing)
	}

	// 3. Its configuration, for which ConfigMaps and Secrets are read.
	restarts := w.restartCount(pod, have, c)
	config, err := w.generateContainerConfig(untilStop, pod, have, c, in, ref, restarts)
	if untilStop.Err() != nil {
		return &startFailure{} // the pod is to be stopped; nobody will read why this failed
	}
	if err != nil {
		return w.failStart(pod, c, createContainerConfigError, err)
	}

	// 4. The container itself. From here on ctx is used: if a deletion
	// ended these calls, nobody would know whether there is a container now.
	id, err := w.m.Runtime.CreateContainer(ctx, in.sandboxID, config, in.sandbox)
	if err != nil {
		return w.failStart(pod, c, createContainerError, err)
	}
	w.containerEvent(pod, c, v1.EventTypeNormal, "Created", "Container created")
	if err := w.m.Runtime.StartContainer(ctx, id); err != nil {
		// With the ID in it the message would differ each time, and be an event each time.
		return w.failStart(pod, c, runContainerError, errors.New(strings.ReplaceAll(runtime.Message(err), id, c.Name)))
	}
	w.containerEvent(pod, c, v1.EventTypeNormal, "Started", "Container started")
	if restarts > 0 {
		trace.Decide(ctx, trace.For(pod), "start container "+c.Name+" again", "it ended and its restart policy says so", "restarts", restarts)
	}
	w.linkLog(pod, c, id, filepath.Join(in.sandbox.LogDirectory, config.LogPath))

	// 5. The hook. The container runs beside it, but counts as started only after it.
	return w.executePostStartHook(untilStop, pod, c, id, in)
}

// failStart reports why a container could not be made or started.
func (w *podWorker) failStart(pod *v1.Pod, c *v1.Container, reason string, err error) *startFailure {
	message := runtime.Message(err)
	w.containerEvent(pod, c, v1.EventTypeWarning, "Failed", "Error: "+message)
	retry := w.m.Clock.Now().Add(syncRetry)
	if reason == runContainerError {
		retry = w.m.Clock.Now() // it exists and has ended: the crash back-off decides
	}
	return &startFailure{status.Waiting{Reason: reason, Message: message}, retry}
}

func (w *podWorker) containerEvent(pod *v1.Pod, c *v1.Container, kind, reason, message string) {
	w.m.Events.Event(podspec.Ref(pod, c.Name), kind, reason, message)
}

func (w *podWorker) generateContainerConfig(ctx context.Context, pod *v1.Pod, have *runtime.Pod, c *v1.Container, in instance, ref string, restarts int) (*cri.ContainerConfig, error) {
	user, err := w.m.Images.GetImageUser(ctx, ref)
	if err != nil {
		return nil, err
	}
	target, err := targetID(pod, have, c)
	if err != nil {
		return nil, err
	}
	return w.m.Node.GenerateContainerConfig(ctx, w.m.Objects, pod, c, in.facts,
		podspec.Instance{Restarts: restarts, ImageRef: ref, User: user, TargetID: target})
}

// targetID is the container whose processes an ephemeral container is to see (kubectl
// debug --target); "" for every other.
func targetID(pod *v1.Pod, have *runtime.Pod, c *v1.Container) (string, error) {
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
