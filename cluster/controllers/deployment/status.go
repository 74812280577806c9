package deployment

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// syncRolloutStatus puts into the status what was found, and how the rollout is doing
// (upstream's function of the same name).
func (r *rollout) syncRolloutStatus(ctx context.Context) {
	r.calculateStatus()
	r.setReplicaFailure()
	r.setProgressing(ctx)
}

// calculateStatus puts what was found into the status (upstream's function of the same
// name): numbers, and whether enough pods are available.
func (r *rollout) calculateStatus() {
	s := &r.d.Status
	s.ObservedGeneration = r.d.Generation
	s.Replicas, s.UpdatedReplicas, s.ReadyReplicas, s.AvailableReplicas = 0, 0, 0, 0
	terminating := new(int32)
	for _, rs := range r.allRSs() {
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
	if r.newRS != nil {
		s.UpdatedReplicas = r.newRS.Status.Replicas
	}
	// What is asked for and not there yet is missing too.
	s.UnavailableReplicas = max(0, replicaCount(r.allRSs())-s.AvailableReplicas)

	if s.AvailableReplicas >= r.replicas-r.maxUnavailable {
		r.setCondition(appsv1.DeploymentAvailable, v1.ConditionTrue, "MinimumReplicasAvailable", "Deployment has minimum availability.")
	} else {
		r.setCondition(appsv1.DeploymentAvailable, v1.ConditionFalse, "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
	}
}

// setReplicaFailure shows that a ReplicaSet can't make pods, the new one's trouble first
// (upstream's getReplicaFailures). Otherwise it could not be seen on the
// Deployment: the events are on the ReplicaSet.
func (r *rollout) setReplicaFailure() {
	sets := r.oldRSs
	if r.newRS != nil {
		sets = append([]*appsv1.ReplicaSet{r.newRS}, r.oldRSs...)
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

// condition returns the condition of a type, nil if there is none.
func condition(s *appsv1.DeploymentStatus, conditionType appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == conditionType {
			return &s.Conditions[i]
		}
	}
	return nil
}

// setCondition changes a condition, or adds it (upstream's SetDeploymentCondition). One
// with the same status and reason is left alone, and lastTransitionTime tells of changes
// of the status only.
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
