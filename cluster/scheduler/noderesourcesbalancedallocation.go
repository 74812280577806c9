package scheduler

import "math"

// nodeResourcesBalancedAllocationScore prefers nodes on which the pod brings the used
// shares of CPU and memory closer together. A node that is out of memory can't give
// away the CPU it has left. (Upstream's
// framework/plugins/noderesources/balanced_allocation.go.)
//
// The change counts, and not the state after it. So a pod that requests nothing gets
// the same score everywhere, instead of being drawn to the nodes that are balanced.
func nodeResourcesBalancedAllocationScore(c *cycleState, nodes []*nodeInfo) []float64 {
	want := &c.podInfo.requests
	return scoreEach(nodes, func(n *nodeInfo) float64 {
		with := resources{milliCPU: n.requested.milliCPU + want.milliCPU, memory: n.requested.memory + want.memory}
		// Balance is 50 to 100, so the difference is -50 to 50, and the score 50 to
		// 100 again: 75 if the pod changes nothing.
		return maxNodeScore/2 + (maxNodeScore/2+balance(with, n.allocatable)-balance(n.requested, n.allocatable))/2
	})
}

// balance is maxNodeScore if the same share of CPU and memory is used, and half of it
// if all of the one and nothing of the other is. Half of the distance between two
// numbers is their standard deviation, which upstream uses for three and more.
func balance(used, has resources) float64 {
	if has.milliCPU == 0 || has.memory == 0 {
		return maxNodeScore // with a single resource there is nothing to balance
	}
	cpu := min(1, float64(used.milliCPU)/float64(has.milliCPU))
	memory := min(1, float64(used.memory)/float64(has.memory))
	return maxNodeScore * (1 - math.Abs(cpu-memory)/2)
}
