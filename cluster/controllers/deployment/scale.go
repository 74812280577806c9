package deployment

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"

	"noriter.dev/noriter/cluster/controllers/podset"
)

const (
	// desiredAnnotation is the Deployment's size when a ReplicaSet was last sized
	// (upstream's DesiredReplicasAnnotation). If it is another one now, the Deployment was
	// scaled.
	desiredAnnotation = "deployment.kubernetes.io/desired-replicas"
	// maxAnnotation is that size plus maxSurge (upstream's MaxReplicasAnnotation): the
	// whole of which the ReplicaSet is a part.
	maxAnnotation = "deployment.kubernetes.io/max-replicas"
)

// setReplicasAnnotations notes the Deployment's size on one of its ReplicaSets (upstream's
// SetReplicasAnnotations). It is true if that is news.
func (r *rollout) setReplicasAnnotations(rs *appsv1.ReplicaSet) bool {
	desired, most := strconv.Itoa(int(r.replicas)), strconv.Itoa(int(r.replicas+r.maxSurge))
	if rs.Annotations[desiredAnnotation] == desired && rs.Annotations[maxAnnotation] == most {
		return false
	}
	if rs.Annotations == nil {
		rs.Annotations = map[string]string{}
	}
	rs.Annotations[desiredAnnotation], rs.Annotations[maxAnnotation] = desired, most
	return true
}

// isScalingEvent is true if the Deployment was scaled since its ReplicaSets were sized
// (upstream's function of the same name). The sizes of the ReplicaSets alone do not tell:
// in a rollout they differ from that of the Deployment all the time.
func (r *rollout) isScalingEvent() bool {
	return slices.ContainsFunc(r.allRSs(), func(rs *appsv1.ReplicaSet) bool {
		desired, ok := annotatedNumber(rs, desiredAnnotation)
		return ok && *rs.Spec.Replicas > 0 && desired != r.replicas
	})
}

func annotatedNumber(rs *appsv1.ReplicaSet, annotation string) (int32, bool) {
	n, err := strconv.ParseInt(rs.Annotations[annotation], 10, 32)
	return int32(n), err == nil && n >= 0
}

// scale follows a change of the Deployment's size (upstream's function of the same name).
//
// If only one ReplicaSet has replicas, it gets the new number. In the middle of a
// rollout each gets its share, in the proportions there are. If the new one got all
// of it, scaling up would speed up a rollout that may be going wrong.
func (r *rollout) scale(ctx context.Context) error {
	if err := r.updateNewReplicaSet(ctx); err != nil {
		return err
	}
	var active []*appsv1.ReplicaSet
	for _, rs := range r.allRSs() {
		if *rs.Spec.Replicas > 0 {
			active = append(active, rs)
		}
	}
	switch {
	case len(active) <= 1:
		if only := r.activeOrLatest(active); only != nil && *only.Spec.Replicas != r.replicas {
			_, err := r.scaleReplicaSet(ctx, only, r.replicas, "the deployment was scaled")
			return err
		}
		return nil
	case r.isSaturated():
		for _, rs := range active {
			if rs != r.newRS {
				if _, err := r.scaleReplicaSet(ctx, rs, 0, "the new replica set is complete"); err != nil {
					return err
				}
			}
		}
		return nil
	case r.d.Spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType:
		return r.scaleInProportion(ctx, active)
	}
	return nil
}

// activeOrLatest is the ReplicaSet with replicas or, if none has any, the newest one
// (upstream's FindActiveOrLatest): a Deployment of 0 that is scaled up while it is paused
// starts with what it has.
func (r *rollout) activeOrLatest(active []*appsv1.ReplicaSet) *appsv1.ReplicaSet {
	switch {
	case len(active) == 1:
		return active[0]
	case r.newRS != nil:
		return r.newRS
	case len(r.oldRSs) > 0:
		return r.oldRSs[len(r.oldRSs)-1]
	}
	return nil
}

// isSaturated is true if the new ReplicaSet alone is all that the Deployment wants
// (upstream's IsSaturated).
func (r *rollout) isSaturated() bool {
	if r.newRS == nil {
		return false
	}
	desired, ok := annotatedNumber(r.newRS, desiredAnnotation)
	return ok && desired == r.replicas && *r.newRS.Spec.Replicas == r.replicas && r.newRS.Status.AvailableReplicas == r.replicas
}

// scaleInProportion shares a change of size among the ReplicaSets that have replicas. An
// example: 10 replicas with maxSurge 3 have 13 pods, 5 new and 8 old. Scaled to 15 they
// may have 18, so 5 are added: 2 new ones (5·18/13 ≈ 7) and 3 old ones (8·18/13 ≈ 11).
func (r *rollout) scaleInProportion(ctx context.Context, active []*appsv1.ReplicaSet) error {
	allowed := int32(0)
	if r.replicas > 0 {
		allowed = r.replicas + r.maxSurge
	}
	change := allowed - replicaCount(active)
	// The largest first. Of equals, what is added goes to the newest, what is taken
	// comes from the oldest.
	slices.SortFunc(active, func(a, b *appsv1.ReplicaSet) int {
		byAge := podset.OldestFirst(a, b)
		if change > 0 {
			byAge = -byAge
		}
		return cmp.Or(cmp.Compare(*b.Spec.Replicas, *a.Spec.Replicas), byAge)
	})
	sizes := make([]int32, len(active))
	given := int32(0)
	for i, rs := range active {
		share := int32(0)
		switch {
		case change > 0:
			share = min(r.fraction(rs), change-given)
		case change < 0:
			share = max(r.fraction(rs), change-given)
		}
		sizes[i] = *rs.Spec.Replicas + share
		given += share
	}
	sizes[0] = max(0, sizes[0]+change-given) // what rounding left over
	for i, rs := range active {
		why := fmt.Sprintf("the deployment was scaled to %d in the middle of a rollout: %+d in proportion", r.replicas, sizes[i]-*rs.Spec.Replicas)
		if _, err := r.scaleReplicaSet(ctx, rs, sizes[i], why); err != nil {
			return err
		}
	}
	return nil
}

// fraction is by how much a ReplicaSet would change if it kept its part of the whole
// (upstream's getReplicaSetFraction). The whole is what its annotation says, since the
// Deployment may have been scaled several times since.
func (r *rollout) fraction(rs *appsv1.ReplicaSet) int32 {
	have := *rs.Spec.Replicas
	if r.replicas == 0 {
		return -have
	}
	before, ok := annotatedNumber(rs, maxAnnotation)
	if !ok || before == 0 { // someone removed it: the current size is the next best
		if before = r.d.Status.Replicas; before == 0 {
			return 0
		}
	}
	return int32(math.Round(float64(have)*float64(r.replicas+r.maxSurge)/float64(before))) - have
}
