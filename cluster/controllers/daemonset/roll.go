package daemonset

import (
	"context"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"noriter.dev/noriter/cluster/controllers/podset"
)

// roll replaces pods of old templates, some nodes at a time. It only deletes the old
// pod or, if there may be two, makes the new one; manage does the rest next time.
func (r *round) roll(ctx context.Context) error {
	wanted := 0
	for _, node := range r.nodes {
		if shouldRun, _, _ := fits(r.ds, node); shouldRun {
			wanted++
			if _, exists := r.at[node.Name]; !exists {
				r.at[node.Name] = nil // counts as unavailable
			}
		}
	}
	surge, unavailable := updateLimits(r.ds, wanted)
	if surge > 0 {
		return r.rollBySurge(ctx, surge, wanted)
	}
	return r.rollByDeletion(ctx, unavailable)
}

// rollByDeletion deletes old pods as long as no more than so many nodes are without
// an available one. Old pods that are not available go in any case.
func (r *round) rollByDeletion(ctx context.Context, limit int) error {
	down := 0
	var broken, working []*v1.Pod
	for _, node := range slices.Sorted(maps.Keys(r.at)) {
		fresh, old, clear := r.pair(node)
		switch {
		case !clear || (fresh == nil) == (old == nil):
			down++ // manage will put that right first
		case fresh != nil:
			if !r.available(fresh) {
				down++
			}
		case !r.available(old):
			broken = append(broken, old)
			down++
		default:
			working = append(working, old)
		}
	}
	more := min(max(0, limit-down), len(working))
	remove := append(broken, working[:more]...)
	if len(remove) > 0 {
		r.decide(ctx, fmt.Sprintf("replacing %d pods of an old template", len(remove)),
			fmt.Sprintf("%d nodes are without an available pod, and %d may be; %d old pods don't work", down, limit, len(broken)))
	}
	return r.apply(ctx, nil, remove)
}

// rollBySurge makes new pods beside old ones, on so many nodes at once, and deletes an
// old pod when its successor is available.
func (r *round) rollBySurge(ctx context.Context, limit, wanted int) error {
	surging, available := 0, 0
	var create, candidates []string
	var remove, misplaced []*v1.Pod
	for _, node := range slices.Sorted(maps.Keys(r.at)) {
		fresh, old, clear := r.pair(node)
		if !clear {
			surging++
			continue
		}
		if old != nil && r.available(old) || old == nil && fresh != nil && r.available(fresh) {
			available++
		}
		switch {
		case old == nil: // nothing to replace
		case fresh != nil && r.available(fresh):
			remove = append(remove, old)
		case fresh != nil:
			surging++
		case !r.stillWanted(node):
			if r.available(old) {
				misplaced = append(misplaced, old)
			} else {
				remove = append(remove, old)
			}
		case !r.available(old):
			create = append(create, node) // nothing to lose
		default:
			candidates = append(candidates, node)
		}
	}
	// Pods on nodes that are no longer wanted go only when others make up for them.
	remove = append(remove, misplaced[:min(max(0, available-wanted), len(misplaced))]...)
	create = append(create, candidates[:min(max(0, limit-surging), len(candidates))]...)
	if len(create)+len(remove) > 0 {
		r.decide(ctx, fmt.Sprintf("making %d new pods beside old ones, deleting %d", len(create), len(remove)),
			fmt.Sprintf("%d nodes have two, and %d may have", surging, limit))
	}
	return r.apply(ctx, create, remove)
}

func (r *round) stillWanted(name string) bool {
	for _, node := range r.nodes {
		if node.Name == name {
			shouldRun, _, _ := fits(r.ds, node)
			return shouldRun
		}
	}
	return false
}

// pair finds the new and the old pod of a node; clear is false if there are several
// of either.
func (r *round) pair(node string) (fresh, old *v1.Pod, clear bool) {
	for _, pod := range r.at[node] {
		switch {
		case pod.DeletionTimestamp != nil:
		case r.isCurrent(pod) && fresh == nil:
			fresh = pod
		case !r.isCurrent(pod) && old == nil:
			old = pod
		default:
			return nil, nil, false
		}
	}
	return fresh, old, true
}

func (r *round) available(pod *v1.Pod) bool {
	return podset.IsAvailable(pod, r.ds.Spec.MinReadySeconds, r.now)
}

// updateLimits are maxSurge and maxUnavailable in nodes. They can't both be nothing.
func updateLimits(ds *appsv1.DaemonSet, nodes int) (surge, unavailable int) {
	rolling := ds.Spec.UpdateStrategy.RollingUpdate
	if ds.Spec.UpdateStrategy.Type != appsv1.RollingUpdateDaemonSetStrategyType || rolling == nil {
		return 0, 0
	}
	scale := func(value *intstr.IntOrString) int {
		if value == nil {
			return 0
		}
		n, err := intstr.GetScaledValueFromIntOrPercent(value, nodes, true)
		if err != nil {
			return 0 // the API server has validated it
		}
		return n
	}
	surge, unavailable = scale(rolling.MaxSurge), scale(rolling.MaxUnavailable)
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, unavailable
}

// surges is true if a node may have two pods during an update.
func surges(ds *appsv1.DaemonSet) bool {
	surge, _ := updateLimits(ds, 1)
	return surge > 0
}
