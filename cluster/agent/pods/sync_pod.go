package pods

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/agent/status"
	"noriter.dev/noriter/cluster/trace"
)

// syncPod is one look at a pod that is to run: publish what is, decide what has to be
// done, do it (SyncPod in pkg/kubelet/kubelet.go). Whenever something was done it asks to
// be called again at once, so that the result is published without waiting for anything.
//
// It decides from the runtime's present state alone, and not from what it did before.
// So it makes no difference whether a container is missing because it was never made,
// because it crashed, or because somebody removed it by hand.
func (w *podWorker) syncPod(ctx context.Context) (state, time.Duration) {
	pod, gone := w.current()
	if gone || pod.DeletionTimestamp != nil {
		trace.Decide(ctx, trace.For(pod), "stop the pod", "it was deleted", "grace", gracePeriod(pod))
		return terminating, again
	}

	// 1. What is there?
	have, err := runtime.GetPodStatus(ctx, w.m.Runtime, w.uid)
	if err != nil {
		slog.Warn("reading a pod from the runtime", "pod", podspec.FormatPod(pod), "error", err)
		return syncing, runtimeRetry
	}

	// 2. Say so. A pod that has ended, one way or the other, is only stopped.
	untilDeadline := w.checkActiveDeadline(ctx, pod)
	now := w.publish(pod, have, false, true)
	if status.IsPodPhaseTerminal(now.Phase) {
		if !status.IsPodPhaseTerminal(pod.Status.Phase) {
			trace.Decide(ctx, trace.For(pod), "stop the pod: it is "+string(now.Phase), because(now))
		}
		return terminating, again
	}

	// 3. Volumes come first: nothing of the pod may run without them.
	untilStop, stop := w.interruptible(ctx)
	defer stop()
	volumes, wait := w.mountVolumes(untilStop, pod)
	if wait > 0 {
		return syncing, least(wait, untilDeadline)
	}
	w.m.probes.AddPod(ctx, pod)

	// 4. What has to be done?
	actions := computePodActions(pod, have, w.m.probes.GetResult)
	w.m.busy.Add(1)
	did, wait := w.applyPodActions(ctx, untilStop, pod, have, actions, volumes)
	w.m.busy.Add(-1)
	if did {
		return syncing, again
	}
	// 5. Nothing to do for the pod itself: time to put away what it left.
	w.evictOldContainers(ctx, pod, have)
	return syncing, least(wait, untilDeadline)
}

// least is the shortest of the waits that are set, and at most resync.
func least(waits ...time.Duration) time.Duration {
	shortest := resync
	for _, w := range waits {
		if w > 0 {
			shortest = min(shortest, w)
		}
	}
	return shortest
}

// because says in words why a pod has ended.
func because(s v1.PodStatus) string {
	if s.Message != "" {
		return s.Message
	}
	for _, list := range [][]v1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses} {
		for _, c := range list {
			if t := c.State.Terminated; t != nil && t.ExitCode != 0 {
				return fmt.Sprintf("container %s ended with exit code %d and is not to be restarted", c.Name, t.ExitCode)
			}
		}
	}
	return "all its containers have ended and are not to be restarted"
}

// publish generates the pod's status and hands it to the API. terminal says that nothing
// of the pod will be started again, running that something may still run.
func (w *podWorker) publish(pod *v1.Pod, have *runtime.Pod, terminal, running bool) v1.PodStatus {
	before, known := w.m.Statuses.GetPodStatus(w.uid)
	if !known {
		before = pod.Status // the agent has just started: what an earlier one wrote
	}
	s := status.GenerateAPIPodStatus(status.Input{
		Pod: pod, Before: before, Runtime: have, Waiting: w.waiting, Probes: w.m.probes,
		HostIPs: w.m.HostIPs(), Stopping: w.state != syncing, Terminal: terminal, Override: w.override, Now: w.m.Clock.Now(),
	})
	if !w.orphan { // the API has no object for an orphan's status
		w.m.Statuses.SetPodStatus(pod, s, running)
	}
	return s
}

// mountVolumes makes the pod's volumes ready, or says how long to wait before the next
// try (WaitForAttachAndMount in pkg/kubelet/volumemanager).
func (w *podWorker) mountVolumes(ctx context.Context, pod *v1.Pod) (map[string]podspec.Volume, time.Duration) {
	if left := w.mounting.left(w.m.Clock.Now()); left > 0 {
		return nil, left
	}
	volumes, err := w.m.Volumes.SetUp(ctx, pod)
	if err == nil {
		w.mounting.succeeded()
		return volumes, 0
	}
	if ctx.Err() != nil {
		return nil, time.Nanosecond // the pod is going away: look again now
	}
	pause := w.mounting.failed(w.m.Clock.Now())
	for _, one := range unjoin(err) {
		w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeWarning, "FailedMount", one.Error())
	}
	trace.Decide(ctx, trace.For(pod), "wait before mounting the volumes again", err.Error(), "delay", pause.String())
	return nil, pause
}

// unjoin takes a joined error apart, so that each volume gets an event of its own.
func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
