package scheduler

import (
	"maps"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// clusterEvent is something that happened in the cluster and may make room for a pod,
// or a set of such: upstream's ClusterEvent (k8s.io/kube-scheduler/framework/types.go),
// with one bit for each pair of resource and action that a plugin here waits for.
type clusterEvent uint

const (
	nodeAdd clusterEvent = 1 << iota
	nodeUpdateTaint
	nodeUpdateLabel
	nodeUpdateAllocatable
	assignedPodAdd // a pod got a node: others may want to be near it
	assignedPodUpdateLabel
	assignedPodDelete // a pod left its node, or never got to it
	allEvents         = ^clusterEvent(0)
)

// nodeSchedulingPropertiesChange says what changed about a node that may let a pod in
// (upstream's pkg/scheduler/framework/events.go). Most updates of a node only report
// its condition, every few minutes from each node. They must not wake any pod.
func nodeSchedulingPropertiesChange(old, node *v1.Node) clusterEvent {
	if old == nil || old.UID != node.UID {
		return nodeAdd
	}
	var events clusterEvent
	// A cordoned node counts as tainted: kubectl cordon sets spec.unschedulable, and
	// the node lifecycle controller adds a taint of the same meaning to it.
	if !equality.Semantic.DeepEqual(old.Spec.Taints, node.Spec.Taints) || old.Spec.Unschedulable != node.Spec.Unschedulable {
		events |= nodeUpdateTaint
	}
	if !maps.Equal(old.Labels, node.Labels) {
		events |= nodeUpdateLabel
	}
	if !equality.Semantic.DeepEqual(old.Status.Allocatable, node.Status.Allocatable) {
		events |= nodeUpdateAllocatable
	}
	return events
}

// podSchedulingPropertiesChanged is true if a waiting pod itself changed in what
// filters look at. The status does not count: the scheduler writes it after each
// failed attempt, and would wake the pod by that at once.
func podSchedulingPropertiesChanged(old, pod *v1.Pod) bool {
	return !equality.Semantic.DeepEqual(old.Spec, pod.Spec) || !maps.Equal(old.Labels, pod.Labels)
}
