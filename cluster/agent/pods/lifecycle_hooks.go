package pods

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/agent/status"
	"noriter.dev/noriter/cluster/backoff"
)

// maxHookBody is how much of an HTTP hook's answer is read, in bytes (maxRespBodyLength
// in pkg/kubelet/lifecycle/handlers.go).
const maxHookBody = 10 << 10

// executePostStartHook runs the hook that follows the start of a container. If it fails,
// the container is killed: it would run without what the hook was to set up.
func (w *podWorker) executePostStartHook(ctx context.Context, pod *v1.Pod, c *v1.Container, id string, in instance) *startFailure {
	if c.Lifecycle == nil || c.Lifecycle.PostStart == nil {
		return nil
	}
	ip := ""
	if len(in.facts.PodIPs) > 0 {
		ip = in.facts.PodIPs[0]
	}
	message, err := w.runHook(ctx, pod, c, id, c.Lifecycle.PostStart, ip)
	if err == nil || ctx.Err() != nil {
		return nil
	}
	slog.Warn("postStart hook", "pod", podspec.FormatPod(pod), "container", c.Name, "error", err)
	// The message stays out of the event: it may hold what the hook's output reveals.
	w.containerEvent(pod, c, v1.EventTypeWarning, "FailedPostStartHook", "PostStartHook failed")
	have := &runtime.Container{ID: id, Name: c.Name}
	if err := w.killContainer(ctx, pod, have, c, killOptions{message: "FailedPostStartHook", grace: gracePeriod(pod), ip: ip}); err != nil {
		slog.Warn("killing a container whose postStart hook failed", "pod", podspec.FormatPod(pod), "container", c.Name, "error", err)
	}
	return &startFailure{status.Waiting{Reason: postStartHookError, Message: message}, w.m.Clock.Now()}
}

// executePreStopHook runs the hook that comes before SIGTERM, for at most the grace
// period, which it uses up: a hook that sleeps for 30 s leaves a program with the default
// grace of 30 s no time of its own.
func (w *podWorker) executePreStopHook(ctx context.Context, pod *v1.Pod, c *runtime.Container, spec *v1.Container, o killOptions) {
	if spec.Lifecycle == nil || spec.Lifecycle.PreStop == nil || !w.begun.firstHook(c.ID) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.grace)*time.Second)
	defer cancel()
	// A hook that fails changes nothing: the container is stopped all the same.
	if _, err := w.runHook(ctx, pod, spec, c.ID, spec.Lifecycle.PreStop, o.ip); err != nil && ctx.Err() == nil {
		slog.Warn("preStop hook", "pod", podspec.FormatPod(pod), "container", c.Name, "error", err)
		w.containerEvent(pod, spec, v1.EventTypeWarning, "FailedPreStopHook", "PreStopHook failed")
	}
}

// runHook runs a lifecycle handler and returns, if it fails, the message for the
// container's status (handlerRunner.Run in pkg/kubelet/lifecycle/handlers.go).
func (w *podWorker) runHook(ctx context.Context, pod *v1.Pod, c *v1.Container, id string, h *v1.LifecycleHandler, ip string) (string, error) {
	full := podspec.FormatPod(pod)
	switch {
	case h.Exec != nil:
		// No timeout of its own: ctx ends it.
		stdout, stderr, err := w.m.Runtime.ExecSync(ctx, id, h.Exec.Command, 0)
		if err != nil {
			return fmt.Sprintf("Exec lifecycle hook (%v) for Container %q in Pod %q failed - error: %v, message: %q",
				h.Exec.Command, c.Name, full, err, string(stdout)+string(stderr)), err
		}
	case h.HTTPGet != nil:
		if err := httpHook(ctx, h.HTTPGet, c, ip); err != nil {
			return fmt.Sprintf("HTTP lifecycle hook (%s) for Container %q in Pod %q failed - error: %v", h.HTTPGet.Path, c.Name, full, err), err
		}
	case h.Sleep != nil: // KEP-3960: no program is needed in the image
		if backoff.Wait(ctx, w.m.Clock, time.Duration(h.Sleep.Seconds)*time.Second) != nil {
			err := fmt.Errorf("container terminated before sleep hook finished")
			return fmt.Sprintf("Sleep lifecycle hook (%d) for Container %q in Pod %q failed - error: %v", h.Sleep.Seconds, c.Name, full, err), err
		}
	default:
		err := fmt.Errorf("invalid handler: %v", h)
		return fmt.Sprintf("Cannot run handler: %v", err), err
	}
	return "", nil
}

// httpHook sends the request; any answer will do. A server that turns out to speak
// plain HTTP is asked again without TLS, as upstream does.
func httpHook(ctx context.Context, get *v1.HTTPGetAction, c *v1.Container, ip string) error {
	if get.Host != "" {
		ip = get.Host
	}
	if ip == "" {
		return fmt.Errorf("failed to find networking container: the pod has no address")
	}
	request, err := httpprobe.NewRequestForHTTPGetAction(get, c, ip, "lifecycle")
	if err != nil {
		return err
	}
	err = send(request.WithContext(ctx))
	if err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		plain := request.Clone(ctx)
		plain.URL.Scheme = "http"
		plain.Header.Del("Authorization") // it was meant for an encrypted connection
		err = send(plain)
	}
	return err
}

func send(request *http.Request) error {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	// What is left unread only costs the connection.
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, maxHookBody))
	return err
}
