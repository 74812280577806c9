package scheduler

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
)

// filter is one reason why a pod can't be on a node.
type filter struct {
	name string
	// requeueOn is what may happen that makes this filter let the pod pass.
	requeueOn clusterEvent
	check     func(c *cycle, n *nodeInfo) []refusal
}

// refusal is why one node won't do. The reasons are upstream's, word for word: they
// end up in the FailedScheduling event that everybody reads.
type refusal struct {
	reason string
	// final is true if it would not help to evict other pods from the node.
	final bool
}

// filters are asked in this order, and the first that refuses a node ends its turn.
// Cheap ones that concern the node alone come first.
var filters = []filter{
	{"NodeUnschedulable", nodeAdd | nodeUpdateTaint, notCordoned},
	{"TaintToleration", nodeAdd | nodeUpdateTaint, taintsTolerated},
	{"NodeAffinity", nodeAdd | nodeUpdateLabel, nodeMatches},
	{"NodePorts", nodeAdd | assignedPodDelete, portsFree},
	{"NodeResourcesFit", nodeAdd | nodeUpdateAllocatable | assignedPodDelete, resourcesFit},
	{"PodTopologySpread", nodeAdd | nodeUpdateLabel | assignedPodAdd | assignedPodDelete | assignedPodUpdateLabel, evenlySpread},
	{"InterPodAffinity", nodeAdd | nodeUpdateLabel | assignedPodAdd | assignedPodDelete | assignedPodUpdateLabel, neighboursFit},
}

func refuse(reason string, final bool) []refusal { return []refusal{{reason, final}} }

// notCordoned keeps pods off nodes that `kubectl cordon` has marked.
func notCordoned(c *cycle, n *nodeInfo) []refusal {
	if !n.node.Spec.Unschedulable {
		return nil
	}
	taint := v1.Taint{Key: v1.TaintNodeUnschedulable, Effect: v1.TaintEffectNoSchedule}
	if corev1helpers.TolerationsTolerateTaint(klog.Background(), c.pod.Spec.Tolerations, &taint, false) {
		return nil
	}
	return refuse("node(s) were unschedulable", true)
}

// taintsTolerated keeps pods off nodes whose taints they don't tolerate. A node that
// is not ready is one of them: the node lifecycle controller taints it.
func taintsTolerated(c *cycle, n *nodeInfo) []refusal {
	_, found := corev1helpers.FindMatchingUntoleratedTaint(klog.Background(), n.node.Spec.Taints, c.pod.Spec.Tolerations,
		func(t *v1.Taint) bool {
			return t.Effect == v1.TaintEffectNoSchedule || t.Effect == v1.TaintEffectNoExecute
		}, false)
	if !found {
		return nil
	}
	return refuse("node(s) had untolerated taint(s)", true)
}

// nodeMatches keeps pods to nodes that their nodeSelector and node affinity name.
func nodeMatches(c *cycle, n *nodeInfo) []refusal {
	if matches, err := c.affinity.Match(n.node); err == nil && matches {
		return nil
	}
	return refuse("node(s) didn't match Pod's node affinity/selector", true)
}

// portsFree keeps two pods from taking the same port of a node.
func portsFree(c *cycle, n *nodeInfo) []refusal {
	if len(c.self.hostPorts) == 0 {
		return nil
	}
	for _, other := range n.pods {
		for _, theirs := range other.hostPorts {
			for _, ours := range c.self.hostPorts {
				if ours.conflicts(theirs) {
					return refuse("node(s) didn't have free ports for the requested pod ports", false)
				}
			}
		}
	}
	return nil
}

// resourcesFit compares what the pod requests with what is left. It looks at
// requests alone: what pods really use, and their limits, play no part.
func resourcesFit(c *cycle, n *nodeInfo) []refusal {
	var refusals []refusal
	if len(n.pods)+1 > n.allowedPodNumber {
		refusals = append(refusals, refusal{"Too many pods", false})
	}
	lacks := func(name v1.ResourceName, wanted, used, has int64) {
		if wanted > 0 && wanted > has-used {
			refusals = append(refusals, refusal{fmt.Sprintf("Insufficient %s", name), wanted > has})
		}
	}
	want := c.self.requests
	lacks(v1.ResourceCPU, want.milliCPU, n.requested.milliCPU, n.allocatable.milliCPU)
	lacks(v1.ResourceMemory, want.memory, n.requested.memory, n.allocatable.memory)
	lacks(v1.ResourceEphemeralStorage, want.ephemeralStorage, n.requested.ephemeralStorage, n.allocatable.ephemeralStorage)
	for name, wanted := range want.scalar {
		lacks(name, wanted, n.requested.scalar[name], n.allocatable.scalar[name])
	}
	return refusals
}
