package scheduler

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
)

// nodeResourcesFitFilter compares what the pod requests with what is left on the node.
// Requests alone count: what pods really use, and their limits, play no part here.
// (Upstream's framework/plugins/noderesources/fit.go.)
//
// Unlike the other filters it gives all its reasons. A user who lacks both CPU and
// memory should not learn about the memory only after adding CPU.
func nodeResourcesFitFilter(c *cycleState) filterFunc {
	want := c.podInfo.requests
	return func(n *nodeInfo) *status {
		var st *status
		if len(n.pods)+1 > n.allowedPodNumber {
			st = unschedulable("Too many pods")
		}
		used, has := &n.requested, &n.allocatable
		st = checkResource(st, v1.ResourceCPU, want.milliCPU, used.milliCPU, has.milliCPU)
		st = checkResource(st, v1.ResourceMemory, want.memory, used.memory, has.memory)
		st = checkResource(st, v1.ResourceEphemeralStorage, want.ephemeralStorage, used.ephemeralStorage, has.ephemeralStorage)
		for name, wanted := range want.scalar {
			st = checkResource(st, name, wanted, used.scalar[name], has.scalar[name])
		}
		return st
	}
}

// checkResource adds a reason to st if the node has too little left of one resource. A
// pod that requests none of it fits even on a node whose pods request more than it
// has: its allocatable amount may have become smaller after they came.
func checkResource(st *status, name v1.ResourceName, wanted, used, has int64) *status {
	if wanted <= 0 || wanted <= has-used {
		return st
	}
	if st == nil {
		st = &status{}
	}
	st.reasons = append(st.reasons, fmt.Sprintf("Insufficient %s", name))
	st.unresolvable = st.unresolvable || wanted > has // too much even for the empty node
	return st
}

// nodeResourcesFitScore prefers nodes with much left, of CPU and memory alike: the
// scoring strategy LeastAllocated, upstream's default
// (framework/plugins/noderesources/least_allocated.go). It spreads the load. Upstream's
// MostAllocated does the opposite, to need fewer nodes.
func nodeResourcesFitScore(c *cycleState, nodes []*nodeInfo) []float64 {
	want := &c.podInfo.nonZeroRequests
	return scoreEach(nodes, func(n *nodeInfo) float64 {
		used, has := &n.nonZeroRequested, &n.allocatable
		return (leastRequestedScore(used.milliCPU+want.milliCPU, has.milliCPU) +
			leastRequestedScore(used.memory+want.memory, has.memory)) / 2
	})
}

func leastRequestedScore(used, has int64) float64 {
	if has == 0 || used > has { // pods without requests count here, so it may be more
		return 0
	}
	return maxNodeScore * float64(has-used) / float64(has)
}
