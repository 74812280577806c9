package scheduler

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// cycle is one attempt to find a node for one pod, with what its filters and scores
// need to know of the pod or of the whole cluster, worked out once.
type cycle struct {
	pod        *v1.Pod
	self       *podInfo
	nodes      []*nodeInfo
	affinity   nodeaffinity.RequiredNodeAffinity
	namespaces func(name string) map[string]string // a namespace's labels

	spread     *spreadState
	neighbours *neighbourState
}

func newCycle(pod *v1.Pod, nodes []*nodeInfo, namespaces func(string) map[string]string) *cycle {
	c := &cycle{
		pod: pod, self: newPodInfo(pod, ""), nodes: nodes, namespaces: namespaces,
		affinity: nodeaffinity.GetRequiredNodeAffinity(pod),
	}
	c.spread = newSpreadState(c)
	c.neighbours = newNeighbourState(c)
	return c
}

// check asks the filters about one node. filter is the one that refused it.
func (c *cycle) check(n *nodeInfo) (refusals []refusal, by *filter) {
	for i := range filters {
		if refusals := filters[i].check(c, n); len(refusals) > 0 {
			return refusals, &filters[i]
		}
	}
	return nil, nil
}

// pinnedTo is the set of nodes that the pod's affinity names, and false if it names
// none. The pods of a DaemonSet do; looking at every other node would be a waste.
func (c *cycle) pinnedTo() (map[string]bool, bool) {
	a := c.pod.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil, false
	}
	names := map[string]bool{}
	terms := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	for _, term := range terms { // one of the terms must hold: each must name nodes
		named := false
		for _, field := range term.MatchFields {
			if field.Key == "metadata.name" && field.Operator == v1.NodeSelectorOpIn {
				named = true
				for _, value := range field.Values {
					names[value] = true
				}
			}
		}
		if !named {
			return nil, false
		}
	}
	return names, len(terms) > 0
}
