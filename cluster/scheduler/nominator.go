package scheduler

import v1 "k8s.io/api/core/v1"

// nominate keeps the room on a node for a pod that waits there for its victims to
// leave; with node "" it gives that room back. The pod's status.nominatedNodeName
// says the same to users, and to this scheduler after a restart. (Upstream's
// pkg/scheduler/backend/queue/nominator.go.)
func (c *clusterCache) nominate(pod *v1.Pod, node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.nominated, pod.UID)
	if node != "" && c.pods[pod.UID] == nil {
		c.nominated[pod.UID] = newPodInfo(pod, node)
	}
}

// withNominatedPods is a node as it will be when the pods that are nominated to it have
// arrived. It leaves out those less important than pod, which has to leave its room
// only to the others. (addGENominatedPods in upstream's framework/runtime/framework.go.)
//
// Filters that look at the node alone, such as NodeResourcesFit, take these pods into
// account. PodTopologySpread and InterPodAffinity count without them: they may still
// end up elsewhere.
func (c *clusterCache) withNominatedPods(n *nodeInfo, pod *v1.Pod) *nodeInfo {
	result := n
	for uid, nominated := range c.nominated {
		if nominated.nodeName != n.name || uid == pod.UID || podPriority(nominated.pod) < podPriority(pod) {
			continue
		}
		if result == n {
			result = n.without(nil) // a copy
		}
		result.addPod(nominated)
	}
	return result
}
