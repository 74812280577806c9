package deployment

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
)

const (
	// desiredAnnotation is the Deployment's size when a ReplicaSet was last sized. If it
	// is another one now, the Deployment was scaled.
	desiredAnnotation = "deployment.kubernetes.io/desired-replicas"
	// maxAnnotation is that size plus maxSurge: the whole of which the ReplicaSet is
	// a part.
	maxAnnotation = "deployment.kubernetes.io/max-replicas"
)

// annotateSize notes the Deployment's size on one of its ReplicaSets. It is true if
// that is news.
func (r *rollout) annotateSize(rs *appsv1.ReplicaSet) bool {
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

// resized is true if the Deployment was scaled since its ReplicaSets were sized.
func (r *rollout) resized() bool {
	return slices.ContainsFunc(r.all(), func(rs *appsv1.ReplicaSet) bool {
		desired, ok := number(rs, desiredAnnotation)
		return ok && *rs.Spec.Replicas > 0 && desired != r.replicas
	})
}

func number(rs *appsv1.ReplicaSet, annotation string) (int32, bool) {
	n, err := strconv.ParseInt(rs.Annotations[annotation], 10, 32)
	return int32(n), err == nil && n >= 0
}

// scale follows a change of the Deployment's size.
//
// If only one ReplicaSet has replicas, it gets the new number. In the middle of a
// rollout each gets its share, in the proportions there are. If the new one got all
// of it, scaling up would speed up a rollout that may be going wrong.
func (r *rollout) scale(ctx context.Context) error {
	if err := r.adoptFresh(ctx); err != nil {
		return err
	}
	var active []*appsv1.ReplicaSet
	for _, rs := range r.all() {
		if *rs.Spec.Replicas > 0 {
			active = append(active, rs)
		}
	}
	switch {
	case len(active) <= 1:
		if only := r.onlyOrNewest(active); only != nil && *only.Spec.Replicas != r.replicas {
			_, err := r.resize(ctx, only, r.replicas, "the deployment was scaled")
			return err
		}
		return nil
	case r.saturated():
		for _, rs := range active {
			if rs != r.fresh {
				if _, err := r.resize(ctx, rs, 0, "the new replica set is complete"); err != nil {
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

func (r *rollout) onlyOrNewest(active []*appsv1.ReplicaSet) *appsv1.ReplicaSet {
	switch {
	case len(active) == 1:
		return active[0]
	case r.fresh != nil:
		return r.fresh
	case len(r.old) > 0:
		return r.old[len(r.old)-1]
	}
	return nil
}

// saturated is true if the new ReplicaSet alone is all that the Deployment wants.
func (r *rollout) saturated() bool {
	if r.fresh == nil {
		return false
	}
	desired, ok := number(r.fresh, desiredAnnotation)
	return ok && desired == r.replicas && *r.fresh.Spec.Replicas == r.replicas && r.fresh.Status.AvailableReplicas == r.replicas
}

func (r *rollout) scaleInProportion(ctx context.Context, active []*appsv1.ReplicaSet) error {
	allowed := int32(0)
	if r.replicas > 0 {
		allowed = r.replicas + r.maxSurge
	}
	change := allowed - wanted(active)
	// The largest first. Of equals, what is added goes to the newest, what is taken
	// comes from the oldest.
	slices.SortFunc(active, func(a, b *appsv1.ReplicaSet) int {
		byAge := older(a, b)
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
			share = min(r.share(rs), change-given)
		case change < 0:
			share = max(r.share(rs), change-given)
		}
		sizes[i] = *rs.Spec.Replicas + share
		given += share
	}
	sizes[0] = max(0, sizes[0]+change-given) // what rounding left over
	for i, rs := range active {
		why := fmt.Sprintf("the deployment was scaled to %d in the middle of a rollout: %+d in proportion", r.replicas, sizes[i]-*rs.Spec.Replicas)
		if _, err := r.resize(ctx, rs, sizes[i], why); err != nil {
			return err
		}
	}
	return nil
}

// share is by how much a ReplicaSet would change if it kept its part of the whole.
func (r *rollout) share(rs *appsv1.ReplicaSet) int32 {
	have := *rs.Spec.Replicas
	if r.replicas == 0 {
		return -have
	}
	before, ok := number(rs, maxAnnotation)
	if !ok || before == 0 { // someone removed it: the current size is the next best
		if before = r.d.Status.Replicas; before == 0 {
			return 0
		}
	}
	return int32(math.Round(float64(have)*float64(r.replicas+r.maxSurge)/float64(before))) - have
}
