package replicaset

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/controllers/podset"
)

// updateStatus writes what was found (upstream's updateReplicaSetStatus), if that is
// news. What it writes wakes whoever watches: the Deployment's controller goes on with
// its rollout by these numbers.
func (c *Controller) updateStatus(ctx context.Context, rs *appsv1.ReplicaSet, active, terminating []*v1.Pod, manageErr error, now time.Time) error {
	status := calculateStatus(rs, active, manageErr, now)
	if c.kind.countsTerminating {
		status.TerminatingReplicas = ptr.To(int32(len(terminating)))
	}
	if sameStatus(rs, status) {
		return nil
	}
	updated := rs.DeepCopy()
	updated.Status = status
	// The generation that was acted upon. Whoever has changed the spec can tell by it
	// whether the numbers beside it are about the new spec or the old one.
	updated.Status.ObservedGeneration = rs.Generation
	if err := c.kind.updateStatus(ctx, updated); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("writing the status of %s %s/%s: %w", c.kind.owners.Kind.Kind, rs.Namespace, rs.Name, err)
	}
	return nil
}

// calculateStatus is what was found: counts of pods, and whether managing them failed.
func calculateStatus(rs *appsv1.ReplicaSet, active []*v1.Pod, manageErr error, now time.Time) appsv1.ReplicaSetStatus {
	status := *rs.Status.DeepCopy()
	status.Replicas = int32(len(active))
	status.FullyLabeledReplicas, status.ReadyReplicas, status.AvailableReplicas = 0, 0, 0
	// The selector may ask for fewer labels than the template has. A pod that was adopted
	// with those alone counts, and is not "fully labeled".
	template := labels.SelectorFromSet(rs.Spec.Template.Labels)
	for _, pod := range active {
		if template.Matches(labels.Set(pod.Labels)) {
			status.FullyLabeledReplicas++
		}
		if podset.IsReady(pod) {
			status.ReadyReplicas++
		}
		if podset.IsAvailable(pod, rs.Spec.MinReadySeconds, now) {
			status.AvailableReplicas++
		}
	}
	status.Conditions = withFailure(status.Conditions, len(active)-int(*rs.Spec.Replicas), manageErr, now)
	return status
}

// withFailure sets or clears the ReplicaFailure condition. One that is there stays
// as it is, so that it tells when the trouble began. Its message is the API server's own,
// such as "exceeded quota": the reason why pods are missing.
func withFailure(conditions []appsv1.ReplicaSetCondition, surplus int, manageErr error, now time.Time) []appsv1.ReplicaSetCondition {
	var others []appsv1.ReplicaSetCondition
	for _, condition := range conditions {
		if condition.Type != appsv1.ReplicaSetReplicaFailure {
			others = append(others, condition)
		} else if manageErr != nil {
			return conditions
		}
	}
	if manageErr == nil {
		return others
	}
	reason := "FailedCreate"
	if surplus > 0 {
		reason = "FailedDelete"
	}
	return append(others, appsv1.ReplicaSetCondition{
		Type: appsv1.ReplicaSetReplicaFailure, Status: v1.ConditionTrue, Reason: reason,
		Message: manageErr.Error(), LastTransitionTime: metav1.NewTime(now),
	})
}

// sameStatus spares the API server an update that changes nothing. An update would also
// be an event for ourselves: a loop that writes at each look never comes to rest.
func sameStatus(rs *appsv1.ReplicaSet, status appsv1.ReplicaSetStatus) bool {
	return rs.Generation == rs.Status.ObservedGeneration && equality.Semantic.DeepEqual(rs.Status, status)
}
