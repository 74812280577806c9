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

const (
	reasonTimedOut  = "ProgressDeadlineExceeded"
	reasonAvailable = "NewReplicaSetAvailable"
	reasonPaused    = "DeploymentPaused"
)

// observe puts what was found into the status: numbers, and whether enough pods are
// available.
func (r *rollout) observe() {
	s := &r.d.Status
	s.ObservedGeneration = r.d.Generation
	s.Replicas, s.UpdatedReplicas, s.ReadyReplicas, s.AvailableReplicas = 0, 0, 0, 0
	terminating := new(int32)
	for _, rs := range r.all() {
		s.Replicas += rs.Status.Replicas
		s.ReadyReplicas += rs.Status.ReadyReplicas
		s.AvailableReplicas += rs.Status.AvailableReplicas
		switch {
		case rs.Status.TerminatingReplicas != nil && terminating != nil:
			*terminating += *rs.Status.TerminatingReplicas
		case rs.Status.TerminatingReplicas == nil && rs.Status.ObservedGeneration > 0:
			terminating = nil // looked at, and not counted: then the sum is not known
		}
	}
	s.TerminatingReplicas = terminating
	if r.fresh != nil {
		s.UpdatedReplicas = r.fresh.Status.Replicas
	}
	s.UnavailableReplicas = max(0, wanted(r.all())-s.AvailableReplicas)

	if s.AvailableReplicas >= r.replicas-r.maxUnavailable {
		r.setCondition(appsv1.DeploymentAvailable, v1.ConditionTrue, "MinimumReplicasAvailable", "Deployment has minimum availability.")
	} else {
		r.setCondition(appsv1.DeploymentAvailable, v1.ConditionFalse, "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
	}
}

// judge says whether the rollout is complete, gets on, or is stuck.
func (r *rollout) judge(ctx context.Context) {
	r.passOnFailure()
	if !r.hasDeadline() {
		r.removeCondition(appsv1.DeploymentProgressing)
		return
	}
	s, subject := &r.d.Status, fmt.Sprintf("Deployment %q", r.d.Name)
	if r.fresh != nil {
		subject = fmt.Sprintf("ReplicaSet %q", r.fresh.Name)
	}
	current := condition(s, appsv1.DeploymentProgressing)
	if current != nil && current.Reason == reasonAvailable && s.Replicas == s.UpdatedReplicas {
		return // it was complete, and nothing is being rolled out: pods that fail now are no lack of progress
	}
	switch {
	case r.complete(s):
		r.setCondition(appsv1.DeploymentProgressing, v1.ConditionTrue, reasonAvailable, subject+" has successfully progressed.")
	case r.progressed():
		// Unlike other conditions this one is renewed though its status and reason stay,
		// since lastUpdateTime is what the deadline is counted from.
		since := metav1.NewTime(r.c.clock.Now())
		if current != nil && current.Status == v1.ConditionTrue {
			since = current.LastTransitionTime
		}
		r.removeCondition(appsv1.DeploymentProgressing)
		r.setCondition(appsv1.DeploymentProgressing, v1.ConditionTrue, "ReplicaSetUpdated", subject+" is progressing.")
		condition(s, appsv1.DeploymentProgressing).LastTransitionTime = since
	case r.timedOut(current):
		if current.Reason != reasonTimedOut {
			r.decide(ctx, "progress deadline exceeded", fmt.Sprintf("nothing has moved for %d seconds", *r.d.Spec.ProgressDeadlineSeconds))
		}
		r.setCondition(appsv1.DeploymentProgressing, v1.ConditionFalse, reasonTimedOut, subject+" has timed out progressing.")
	}
}

// complete is true if all replicas are new and available, and no old ones are left.
func (r *rollout) complete(s *appsv1.DeploymentStatus) bool {
	return s.UpdatedReplicas == r.replicas && s.Replicas == r.replicas && s.AvailableReplicas == r.replicas &&
		s.ObservedGeneration >= r.d.Generation
}

// progressed is true if there are more new, ready or available pods than before, or
// fewer old ones.
func (r *rollout) progressed() bool {
	before, now := &r.before.Status, &r.d.Status
	return now.UpdatedReplicas > before.UpdatedReplicas || now.ReadyReplicas > before.ReadyReplicas ||
		now.AvailableReplicas > before.AvailableReplicas ||
		now.Replicas-now.UpdatedReplicas < before.Replicas-before.UpdatedReplicas
}

func (r *rollout) timedOut(current *appsv1.DeploymentCondition) bool {
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

// hasDeadline is false for a Deployment that never counts as stuck.
func (r *rollout) hasDeadline() bool {
	return r.d.Spec.ProgressDeadlineSeconds != nil && *r.d.Spec.ProgressDeadlineSeconds != math.MaxInt32
}

// lookAgainForProgress comes back when the deadline has passed: that nothing happens
// is no event.
func (r *rollout) lookAgainForProgress() {
	current := condition(&r.d.Status, appsv1.DeploymentProgressing)
	if !r.hasDeadline() || current == nil || current.Reason == reasonTimedOut || current.Reason == reasonPaused || r.complete(&r.d.Status) {
		return
	}
	if current.Reason == reasonAvailable {
		return
	}
	// A second more, as the times in the status have no fractions.
	r.c.loop.AddAfter(r.d, max(0, r.deadline(current).Sub(r.c.clock.Now()))+time.Second)
}

// notePause keeps the time that a Deployment is paused from counting as stuck.
func (r *rollout) notePause() {
	current := condition(&r.d.Status, appsv1.DeploymentProgressing)
	if !r.hasDeadline() || current != nil && current.Reason == reasonTimedOut {
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

// passOnFailure shows that a ReplicaSet can't make pods, the new one's trouble first.
func (r *rollout) passOnFailure() {
	sets := r.old
	if r.fresh != nil {
		sets = append([]*appsv1.ReplicaSet{r.fresh}, r.old...)
	}
	for _, rs := range sets {
		for _, c := range rs.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure {
				r.setCondition(appsv1.DeploymentReplicaFailure, c.Status, c.Reason, c.Message)
				return
			}
		}
	}
	r.removeCondition(appsv1.DeploymentReplicaFailure)
}

func condition(s *appsv1.DeploymentStatus, conditionType appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == conditionType {
			return &s.Conditions[i]
		}
	}
	return nil
}

// setCondition changes a condition, or adds it. One with the same status and reason
// is left alone, and lastTransitionTime tells of changes of the status only.
func (r *rollout) setCondition(conditionType appsv1.DeploymentConditionType, status v1.ConditionStatus, reason, message string) {
	now := metav1.NewTime(r.c.clock.Now())
	set := appsv1.DeploymentCondition{Type: conditionType, Status: status, Reason: reason, Message: message, LastUpdateTime: now, LastTransitionTime: now}
	if current := condition(&r.d.Status, conditionType); current != nil && current.Status == status {
		if current.Reason == reason {
			return
		}
		set.LastTransitionTime = current.LastTransitionTime
	}
	r.removeCondition(conditionType)
	r.d.Status.Conditions = append(r.d.Status.Conditions, set)
}

func (r *rollout) removeCondition(conditionType appsv1.DeploymentConditionType) {
	var others []appsv1.DeploymentCondition
	for _, c := range r.d.Status.Conditions {
		if c.Type != conditionType {
			others = append(others, c)
		}
	}
	r.d.Status.Conditions = others
}
