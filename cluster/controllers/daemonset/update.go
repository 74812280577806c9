package daemonset

import (
	"context"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// rollingUpdate replaces pods of old templates, some nodes at a time (upstream's
// pkg/controller/daemon/update.go). It only deletes the old pod or, if there may be two,
// makes the new one; manage does the rest in the next sync.
func (r *round) rollingUpdate(ctx context.Context) error {
	desired := 0
	for _, node := range r.nodes {
		if shouldRun, _, _ := nodeShouldRunDaemonPod(r.ds, node); shouldRun {
			desired++
			if _, exists := r.nodePods[node.Name]; !exists {
				r.nodePods[node.Name] = nil // counts as unavailable
			}
		}
	}
	surge, unavailable := updateLimits(r.ds, desired)
	if surge > 0 {
		return r.updateBySurge(ctx, surge, desired)
	}
	return r.updateByDeletion(ctx, unavailable)
}

// updateByDeletion deletes old pods as long as no more than maxUnavailable nodes are
// without an available one. Old pods that are not available go in any case: nothing is
// lost with them, and a broken template would otherwise block its own correction.
//
// With three nodes and maxUnavailable 1: the first old pod goes, its node counts as
// unavailable until the new pod there is available, and only then the second goes. A new
// template that never becomes ready so stops at one node.
func (r *round) updateByDeletion(ctx context.Context, maxUnavailable int) error {
	numUnavailable := 0
	var broken, working []*v1.Pod // old ones
	// By name, so that each sync goes on with the same nodes.
	for _, node := range slices.Sorted(maps.Keys(r.nodePods)) {
		newPod, oldPod, ok := r.updatedPodsOnNode(node)
		switch {
		case !ok || (newPod == nil) == (oldPod == nil):
			numUnavailable++ // manage will put that right first
		case newPod != nil:
			if !r.isAvailable(newPod) {
				numUnavailable++
			}
		case !r.isAvailable(oldPod):
			broken = append(broken, oldPod)
			numUnavailable++
		default:
			working = append(working, oldPod)
		}
	}
	more := min(max(0, maxUnavailable-numUnavailable), len(working))
	remove := append(broken, working[:more]...)
	if len(remove) > 0 {
		r.decide(ctx, fmt.Sprintf("replacing %d pods of an old template", len(remove)),
			fmt.Sprintf("%d nodes are without an available pod, and %d may be; %d old pods don't work", numUnavailable, maxUnavailable, len(broken)))
	}
	return r.syncNodes(ctx, nil, remove)
}

// updateBySurge makes new pods beside old ones (KEP-1591), on up to maxSurge nodes at
// once, and deletes an old pod when its successor is available. desired is on how many
// nodes a pod should run.
func (r *round) updateBySurge(ctx context.Context, maxSurge, desired int) error {
	numSurge, numAvailable := 0, 0
	var create, candidates []string
	var remove, misplaced []*v1.Pod
	for _, node := range slices.Sorted(maps.Keys(r.nodePods)) {
		newPod, oldPod, ok := r.updatedPodsOnNode(node)
		if !ok {
			numSurge++ // manage will put that right first
			continue
		}
		if oldPod != nil && r.isAvailable(oldPod) || oldPod == nil && newPod != nil && r.isAvailable(newPod) {
			numAvailable++
		}
		switch {
		case oldPod == nil: // nothing to replace
		case newPod != nil && r.isAvailable(newPod):
			remove = append(remove, oldPod)
		case newPod != nil:
			numSurge++
		case !r.shouldRunOn(node):
			if r.isAvailable(oldPod) {
				misplaced = append(misplaced, oldPod)
			} else {
				remove = append(remove, oldPod)
			}
		case !r.isAvailable(oldPod):
			create = append(create, node) // nothing to lose
		default:
			candidates = append(candidates, node)
		}
	}
	// A surge is asked for so that there are as many available pods as before, all the time.
	// So pods on nodes where none should run any more go only when enough others are available.
	remove = append(remove, misplaced[:min(max(0, numAvailable-desired), len(misplaced))]...)
	create = append(create, candidates[:min(max(0, maxSurge-numSurge), len(candidates))]...)
	if len(create)+len(remove) > 0 {
		r.decide(ctx, fmt.Sprintf("making %d new pods beside old ones, deleting %d", len(create), len(remove)),
			fmt.Sprintf("%d nodes have two, and %d may have", numSurge, maxSurge))
	}
	return r.syncNodes(ctx, create, remove)
}

func (r *round) shouldRunOn(name string) bool {
	for _, node := range r.nodes {
		if node.Name == name {
			shouldRun, _, _ := nodeShouldRunDaemonPod(r.ds, node)
			return shouldRun
		}
	}
	return false
}

// updatedPodsOnNode finds the new and the old pod of a node (upstream's
// findUpdatedPodsOnNode); ok is false if there are several of either.
func (r *round) updatedPodsOnNode(node string) (newPod, oldPod *v1.Pod, ok bool) {
	for _, pod := range r.nodePods[node] {
		switch {
		case pod.DeletionTimestamp != nil:
		case r.isCurrent(pod) && newPod == nil:
			newPod = pod
		case !r.isCurrent(pod) && oldPod == nil:
			oldPod = pod
		default:
			return nil, nil, false
		}
	}
	return newPod, oldPod, true
}

// updateLimits are maxSurge and maxUnavailable in nodes (upstream's SurgeCount and
// UnavailableCount). Percentages are of the nodes that should have a pod, and are rounded
// up. They can't both be nothing, or no pod could ever be replaced.
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

// allowsSurge is true if a node may have two pods during an update (upstream's
// AllowsSurge).
func allowsSurge(ds *appsv1.DaemonSet) bool {
	surge, _ := updateLimits(ds, 1)
	return surge > 0
}
