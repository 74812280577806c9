package deployment

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
)

// rolloutRolling is a step of the strategy RollingUpdate (upstream's function of the same
// name): up if there is room above, else down if enough are available.
//
// An example with 10 replicas, maxSurge 3 and maxUnavailable 2: at most 13 pods may be
// asked for, and at least 8 must be available.
//
//	new 0, old 10             → new  3, old 10: room for 3
//	new 3, old 10, 10 ready   → new  3, old  8: 2 may be missing
//	new 3, old  8             → new  5, old  8: room for 2
//	new 5, old  8, 13 ready   → new  5, old  3: 5 new ones can replace old ones
//	new 5, old  3             → new 10, old  3: room for 5
//	new 10, old 3, 13 ready   → new 10, old  0
func (r *rollout) rolloutRolling(ctx context.Context) error {
	if err := r.getNewReplicaSet(ctx); err != nil {
		return err
	}
	scaled, err := r.reconcileNewReplicaSet(ctx)
	if err == nil && !scaled {
		scaled, err = r.reconcileOldReplicaSets(ctx)
	}
	if err != nil {
		return err
	}
	return r.finish(ctx, scaled)
}

// reconcileNewReplicaSet gives the new ReplicaSet as many replicas as maxSurge leaves
// room for.
func (r *rollout) reconcileNewReplicaSet(ctx context.Context) (bool, error) {
	have := *r.newRS.Spec.Replicas
	if have == r.replicas {
		return false, nil
	}
	if have > r.replicas {
		return r.scaleReplicaSet(ctx, r.newRS, r.replicas, "the deployment wants no more")
	}
	return r.scaleReplicaSet(ctx, r.newRS, r.newRSNewReplicas(r.newRS),
		fmt.Sprintf("at most %d pods may exist (%d replicas and maxSurge %d), and %d are asked for", r.replicas+r.maxSurge, r.replicas, r.maxSurge, replicaCount(r.allRSs())))
}

// newRSNewReplicas is how many replicas the new ReplicaSet may have now (upstream's
// function of the same name). It never has fewer than before: what is too much is taken
// from the old ones.
func (r *rollout) newRSNewReplicas(newRS *appsv1.ReplicaSet) int32 {
	have := *newRS.Spec.Replicas
	if r.d.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType {
		return r.replicas
	}
	room := r.replicas + r.maxSurge - replicaCount(r.oldRSs) - have
	return have + max(0, min(room, r.replicas-have))
}

// reconcileOldReplicaSets takes away replicas of the old ReplicaSets that nobody will
// miss: those that do not work anyway, and as many of the others as maxUnavailable
// allows.
func (r *rollout) reconcileOldReplicaSets(ctx context.Context) (bool, error) {
	if replicaCount(r.oldRSs) == 0 {
		return false, nil
	}
	// New pods that are not available yet may become so or not. Until then they can't
	// replace old ones, so they don't count. Without this, a new template that
	// crashes would cost one old pod after the other.
	minAvailable := r.replicas - r.maxUnavailable
	newUnavailable := *r.newRS.Spec.Replicas - r.newRS.Status.AvailableReplicas
	maxScaledDown := replicaCount(r.allRSs()) - minAvailable - newUnavailable
	if maxScaledDown <= 0 {
		return false, nil
	}
	unhealthy, err := r.cleanupUnhealthyReplicas(ctx, maxScaledDown)
	if err != nil {
		return unhealthy > 0, err
	}
	healthy, err := r.scaleDownOldReplicaSets(ctx, minAvailable)
	return unhealthy+healthy > 0, err
}

// cleanupUnhealthyReplicas takes away old replicas that are not available. Their
// ReplicaSet deletes those first, so nothing is lost; left alone, they could block the
// rollout.
func (r *rollout) cleanupUnhealthyReplicas(ctx context.Context, most int32) (int32, error) {
	total := int32(0)
	for _, rs := range r.oldRSs {
		unhealthy := *rs.Spec.Replicas - rs.Status.AvailableReplicas
		count := min(unhealthy, most-total)
		if count <= 0 {
			continue
		}
		if _, err := r.scaleReplicaSet(ctx, rs, *rs.Spec.Replicas-count, fmt.Sprintf("%d of its replicas are not available", unhealthy)); err != nil {
			return total, err
		}
		total += count
	}
	return total, nil
}

// scaleDownOldReplicaSets takes away old replicas, oldest ReplicaSet first, as long as
// enough pods of all of them are available (upstream's
// scaleDownOldReplicaSetsForRollingUpdate).
func (r *rollout) scaleDownOldReplicaSets(ctx context.Context, minAvailable int32) (int32, error) {
	available := int32(0)
	for _, rs := range r.allRSs() {
		// A ReplicaSet that has just been made smaller may still count pods that it is
		// about to delete.
		available += min(rs.Status.AvailableReplicas, *rs.Spec.Replicas)
	}
	spare, total := available-minAvailable, int32(0)
	for _, rs := range r.oldRSs {
		count := min(*rs.Spec.Replicas, spare-total)
		if count <= 0 {
			continue
		}
		why := fmt.Sprintf("%d pods are available, and %d must be (%d replicas, maxUnavailable %d)", available, minAvailable, r.replicas, r.maxUnavailable)
		if _, err := r.scaleReplicaSet(ctx, rs, *rs.Spec.Replicas-count, why); err != nil {
			return total, err
		}
		total += count
	}
	return total, nil
}

// finish writes down where the rollout stands and tidies up if it is complete. Both
// strategies end their steps with it.
func (r *rollout) finish(ctx context.Context, scaled bool) error {
	if !scaled && r.isComplete(&r.before.Status) {
		if err := r.cleanupDeployment(ctx); err != nil {
			return err
		}
	}
	r.syncRolloutStatus(ctx)
	return nil
}
