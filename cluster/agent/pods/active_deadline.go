package pods

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/trace"
)

// checkActiveDeadline fails a pod that has been active for longer than it may
// (activeDeadlineSeconds), or tells how long it still may; 0 without a deadline. Source:
// pkg/kubelet/active_deadline.go.
//
// The time counts from status.startTime, when the node took the pod, and restarts of its
// containers do not extend it. It is read from the status, so that a restart of the
// agent doesn't, either.
func (w *podWorker) checkActiveDeadline(ctx context.Context, pod *v1.Pod) time.Duration {
	limit := pod.Spec.ActiveDeadlineSeconds
	s, known := w.m.Statuses.GetPodStatus(w.uid)
	if !known {
		s = pod.Status
	}
	if limit == nil || s.StartTime.IsZero() || w.override.Phase != "" {
		return 0
	}
	left := time.Duration(*limit)*time.Second - w.m.Clock.Since(s.StartTime.Time)
	if left > 0 {
		return left
	}
	const reason, message = "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
	w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeNormal, reason, message)
	w.override = v1.PodStatus{Phase: v1.PodFailed, Reason: reason, Message: message}
	trace.Decide(ctx, trace.For(pod), "fail the pod", message, "activeDeadlineSeconds", *limit)
	return 0
}
