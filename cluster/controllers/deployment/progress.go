package deployment

import (
	"context"
	"fmt"
	"math"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Reasons of the condition Progressing that are read again. `kubectl rollout status`
// gives up at the first of them.
const (
	reasonTimedOut  = "ProgressDeadlineExceeded"
	reasonAvailable = "NewReplicaSetAvailable"
	reasonPaused    = "DeploymentPaused"
)

// setProgressing says in the condition Progressing whether the rollout is complete, gets
// on, or is stuck. A rollout that is stuck is only reported: nothing is taken back, and
// it goes on by itself if its pods become ready after all.
func (r *rollout) setProgressing(ctx context.Context) {
	if !r.hasProgressDeadline() {
		r.removeCondition(appsv1.DeploymentProgressing)
		return
	}
	s, subject := &r.d.Status, fmt.Sprintf("Deployment %q", r.d.Name)
	if r.newRS != nil {
		subject = fmt.Sprintf("ReplicaSet %q", r.newRS.Name)
	}
	current := condition(s, appsv1.DeploymentProgressing)
	if current != nil && current.Reason == reasonAvailable && s.Replicas == s.UpdatedReplicas {
		return // it was complete, and nothing is being rolled out: pods that fail now are no lack of progress
	}
	switch {
	case r.isComplete(s):
		r.setCondition(appsv1.DeploymentProgressing, v1.ConditionTrue, reasonAvailable, subject+" has successfully progressed.")
	case r.isProgressing():
		// Unlike other conditions this one is renewed though its status and reason stay,
		// since lastUpdateTime is what the deadline is counted from.
		since := metav1.NewTime(r.c.clock.Now())
		if current != nil && current.Status == v1.ConditionTrue {
			since = current.LastTransitionTime
		}
		r.removeCondition(appsv1.DeploymentProgressing)
		r.setCondition(appsv1.DeploymentProgressing, v1.ConditionTrue, "ReplicaSetUpdated", subject+" is progressing.")
		condition(s, appsv1.DeploymentProgressing).LastTransitionTime = since
	case r.isTimedOut(current):
		if current.Reason != reasonTimedOut {
			r.decide(ctx, "progress deadline exceeded", fmt.Sprintf("nothing has moved for %d seconds", *r.d.Spec.ProgressDeadlineSeconds))
		}
		r.setCondition(appsv1.DeploymentProgressing, v1.ConditionFalse, reasonTimedOut, subject+" has timed out progressing.")
	}
}

// isComplete is true if all replicas are new and available, and no old ones are left
// (upstream's DeploymentComplete).
func (r *rollout) isComplete(s *appsv1.DeploymentStatus) bool {
	return s.UpdatedReplicas == r.replicas && s.Replicas == r.replicas && s.AvailableReplicas == r.replicas &&
		s.ObservedGeneration >= r.d.Generation
}

// isProgressing is true if there are more new, ready or available pods than before, or
// fewer old ones (upstream's DeploymentProgressing).
func (r *rollout) isProgressing() bool {
	before, now := &r.before.Status, &r.d.Status
	return now.UpdatedReplicas > before.UpdatedReplicas || now.ReadyReplicas > before.ReadyReplicas ||
		now.AvailableReplicas > before.AvailableReplicas ||
		now.Replicas-now.UpdatedReplicas < before.Replicas-before.UpdatedReplicas
}

// isTimedOut is true if the deadline has passed without progress (upstream's
// DeploymentTimedOut).
func (r *rollout) isTimedOut(current *appsv1.DeploymentCondition) bool {
	switch {
	case current == nil || current.Reason == reasonAvailable:
		return false // there is nothing to count from
	case current.Reason == reasonTimedOut:
		return true
	}
	return r.deadline(current).Before(r.c.clock.Now())
}

func (r *rollout) deadline(current *appsv1.DeploymentCondition) time.Time {
	return current.LastUpdateTime.Add(time.Duration(*r.d.Spec.ProgressDeadlineSeconds) * time.Second)
}

// hasProgressDeadline is false for a Deployment that never counts as stuck. The API
// server sets 600 seconds where nothing is given; the largest number stands for "never".
func (r *rollout) hasProgressDeadline() bool {
	return r.d.Spec.ProgressDeadlineSeconds != nil && *r.d.Spec.ProgressDeadlineSeconds != math.MaxInt32
}

// requeueStuckDeployment looks again when the deadline has passed (upstream's function of
// the same name): that nothing happens is no event.
func (r *rollout) requeueStuckDeployment() {
	current := condition(&r.d.Status, appsv1.DeploymentProgressing)
	if !r.hasProgressDeadline() || current == nil || r.isComplete(&r.d.Status) {
		return
	}
	switch current.Reason {
	case reasonTimedOut, reasonPaused, reasonAvailable:
		return // the clock does not run
	}
	// A second more, as the times in the status have no fractions.
	r.c.loop.AddAfter(r.d, max(0, r.deadline(current).Sub(r.c.clock.Now()))+time.Second)
}

// checkPausedConditions keeps the time that a Deployment is paused from counting as stuck
// (upstream's function of the same name).
func (r *rollout) checkPausedConditions() {
	current := condition(&r.d.Status, appsv1.DeploymentProgressing)
	if !r.hasProgressDeadline() || current != nil && current.Reason == reasonTimedOut {
		return
	}
	paused := current != nil && current.Reason == reasonPaused
	switch {
	case r.d.Spec.Paused && !paused:
		r.setCondition(appsv1.DeploymentProgressing, v1.ConditionUnknown, reasonPaused, "Deployment is paused")
	case !r.d.Spec.Paused && paused:
		r.setCondition(appsv1.DeploymentProgressing, v1.ConditionUnknown, "DeploymentResumed", "Deployment is resumed")
	}
}
