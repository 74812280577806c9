package scheduler

import v1 "k8s.io/api/core/v1"

// cycleState is one attempt to find a node for one pod: what all plugins may look at,
// and the filters that have something to check for this pod.
//
// Upstream's CycleState (pkg/scheduler/framework/cycle_state.go) is a map in which
// plugins keep what they work out before the first node. Here the function that a
// plugin's filter returns keeps it.
type cycleState struct {
	pod *v1.Pod
	// podInfo is the same pod. Its nodeName is still empty.
	podInfo         *podInfo
	nodes           []*nodeInfo // all of the cluster, by name
	namespaceLabels func(namespace string) map[string]string
	filters         []pluginFilter
}

type pluginFilter struct {
	plugin *plugin
	filter filterFunc
}

func newCycleState(pod *v1.Pod, nodes []*nodeInfo, namespaceLabels func(string) map[string]string) *cycleState {
	c := &cycleState{
		pod: pod, podInfo: newPodInfo(pod, ""), nodes: nodes, namespaceLabels: namespaceLabels,
		filters: make([]pluginFilter, 0, len(plugins)),
	}
	for i := range plugins {
		if plugins[i].filter == nil {
			continue
		}
		if filter := plugins[i].filter(c); filter != nil {
			c.filters = append(c.filters, pluginFilter{&plugins[i], filter})
		}
	}
	return c
}

// runFilterPlugins asks the filters about one node. The first that rejects it ends
// the search. It returns nil and nil if the pod can be on the node. (Upstream's
// framework/runtime/framework.go.)
func (c *cycleState) runFilterPlugins(n *nodeInfo) (*status, *plugin) {
	for i := range c.filters {
		if st := c.filters[i].filter(n); st != nil {
			return st, c.filters[i].plugin
		}
	}
	return nil, nil
}
