package pods

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/trace"
)

// podKiller is a pod being stopped, in a goroutine of its own, so that the worker can
// go on to publish how the containers end one after the other.
type podKiller struct {
	grace  int64 // seconds
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed
}

// syncTerminatingPod is one look at a pod that is being stopped (SyncTerminatingPod in
// pkg/kubelet/kubelet.go). It returns terminated only when the runtime itself says that
// nothing runs any more: whoever waits for the pod's end, a StatefulSet say, must be
// able to count on that.
func (w *podWorker) syncTerminatingPod(ctx context.Context) (state, time.Duration) {
	pod, _ := w.current()
	have, err := runtime.GetPodStatus(ctx, w.m.Runtime, w.uid)
	if err != nil {
		slog.Warn("reading a pod from the runtime", "pod", podspec.FormatPod(pod), "error", err)
		return terminating, runtimeRetry
	}
	w.m.probes.StopLivenessAndStartup(w.uid)
	w.publish(pod, have, false, true)

	grace := gracePeriod(pod)
	switch {
	case w.killer == nil:
		w.startKillingPod(ctx, pod, have, grace)
	case grace < w.killer.grace:
		// Deleted once more, with a shorter grace period. What is under way starts over with
		// the new limit; preStop hooks that ran are not repeated.
		trace.Decide(ctx, trace.For(pod), "stop the pod sooner", "its grace period was shortened", "from", w.killer.grace, "to", grace)
		w.killer.cancel()
		<-w.killer.done
		w.startKillingPod(ctx, pod, have, grace)
	}
	select {
	case <-w.killer.done:
	default:
		return terminating, resync // the killer wakes the worker when it is done
	}
	err = w.killer.err
	w.killer = nil
	if err != nil {
		if ctx.Err() == nil {
			w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeWarning, "FailedKillPod", fmt.Sprintf("error killing pod: %v", err))
		}
		return terminating, runtimeRetry
	}
	have, err = runtime.GetPodStatus(ctx, w.m.Runtime, w.uid)
	if err != nil || len(have.RunningContainers()) > 0 {
		return terminating, runtimeRetry
	}
	w.m.probes.RemovePod(w.uid)
	w.publish(pod, have, true, false)
	return terminated, again
}

// startKillingPod stops the pod in the background.
func (w *podWorker) startKillingPod(ctx context.Context, pod *v1.Pod, have *runtime.Pod, grace int64) {
	ctx, cancel := context.WithCancel(ctx)
	k := &podKiller{grace: grace, cancel: cancel, done: make(chan struct{})}
	w.killer = k
	w.m.busy.Add(1)
	go func() {
		defer w.m.busy.Add(-1)
		defer w.wakeUp()
		defer close(k.done)
		defer cancel()
		_, k.err = w.killPod(ctx, pod, have, grace)
	}()
}

// killPod stops all containers at the same time, sidecars after those they serve, and
// then the sandboxes (killPodWithSyncResult in
// pkg/kubelet/kuberuntime/kuberuntime_manager.go). The sandbox comes last, because
// containers need its network to end in good order. killed tells whether there was
// anything to stop.
func (w *podWorker) killPod(ctx context.Context, pod *v1.Pod, have *runtime.Pod, grace int64) (killed bool, err error) {
	running := have.RunningContainers()
	ordering := newTerminationOrdering(pod, running)
	errs := make([]error, len(running))
	var wg sync.WaitGroup
	for i, c := range running {
		killed = true
		wg.Go(func() {
			defer ordering.containerTerminated(c.Name)
			spec := podspec.FindContainer(pod, c.Name)
			if spec == nil {
				_, spec = runtime.RestoreSpecs(c.Labels, c.Annotations)
			}
			errs[i] = w.killContainer(ctx, pod, c, spec, killOptions{grace: grace, turn: ordering.turn(c.Name), ip: firstIP(have)})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return killed, err
	}
	for _, s := range have.Sandboxes {
		if s.State != cri.PodSandboxState_SANDBOX_READY {
			continue
		}
		killed = true
		if err := w.m.Runtime.StopPodSandbox(ctx, s.Id); err != nil && !runtime.IsNotFound(err) {
			return killed, fmt.Errorf("stopping the sandbox: %w", err)
		}
	}
	return killed, nil
}

func firstIP(have *runtime.Pod) string {
	if len(have.IPs) == 0 {
		return ""
	}
	return have.IPs[0]
}
