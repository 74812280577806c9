package scheduler

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// nodeInfo is a node with the pods that are on it: upstream's NodeInfo
// (pkg/scheduler/framework/types.go). The sums over the pods are kept up to date as
// pods come and go, so that a filter need not look at each of them.
type nodeInfo struct {
	name             string
	node             *v1.Node // nil while pods on it are known and the node itself is not
	allocatable      resources
	allowedPodNumber int
	imageSizes       map[string]int64 // bytes, by each name of an image that the node has
	pods             map[types.UID]*podInfo

	requested        resources
	nonZeroRequested resources // with defaultRequests
	// Most pods have no affinity to other pods. These counts let InterPodAffinity
	// pass over the nodes on which no pod has any.
	podsWithRequiredAntiAffinity int
	podsWithPreferredAffinity    int // or preferred anti-affinity
}

// podInfo is a pod with what is worked out from its spec once: upstream's PodInfo
// (pkg/scheduler/framework/types.go).
type podInfo struct {
	pod             *v1.Pod
	requests        resources
	nonZeroRequests resources // with defaultRequests
	hostPorts       []hostPort
	nodeName        string
	// assumed is true from the decision until the watch shows the pod on its node.
	assumed bool
}

func newPodInfo(pod *v1.Pod, nodeName string) *podInfo {
	return &podInfo{
		pod: pod, requests: requestsOf(pod), nonZeroRequests: nonZeroRequestsOf(pod),
		hostPorts: hostPortsOf(pod), nodeName: nodeName,
	}
}

// setNode takes in the node's object, new or changed.
func (n *nodeInfo) setNode(node *v1.Node) {
	n.node = node
	// Allocatable is the capacity less what the system keeps for itself.
	n.allocatable = newResources(node.Status.Allocatable)
	n.allowedPodNumber = int(node.Status.Allocatable.Pods().Value())
	n.imageSizes = map[string]int64{}
	for _, image := range node.Status.Images {
		for _, name := range image.Names {
			n.imageSizes[name] = image.SizeBytes
		}
	}
}

func (n *nodeInfo) addPod(p *podInfo) {
	n.pods[p.pod.UID] = p
	n.updateSums(p, 1)
}

func (n *nodeInfo) removePod(p *podInfo) {
	delete(n.pods, p.pod.UID)
	n.updateSums(p, -1)
}

func (n *nodeInfo) updateSums(p *podInfo, sign int64) {
	n.requested.add(p.requests, sign)
	n.nonZeroRequested.add(p.nonZeroRequests, sign)
	if len(requiredAntiAffinityTerms(p.pod)) > 0 {
		n.podsWithRequiredAntiAffinity += int(sign)
	}
	if len(preferredTerms(p.pod)) > 0 {
		n.podsWithPreferredAffinity += int(sign)
	}
}

// without is a copy of the node as it would be if some pods left it. The cache keeps
// the original: whether they leave is not decided yet.
func (n *nodeInfo) without(leaving []*podInfo) *nodeInfo {
	copied := *n
	copied.pods = make(map[types.UID]*podInfo, len(n.pods))
	copied.requested, copied.nonZeroRequested = resources{}, resources{}
	copied.podsWithRequiredAntiAffinity, copied.podsWithPreferredAffinity = 0, 0
	for _, p := range n.pods {
		if !slices.Contains(leaving, p) {
			copied.addPod(p)
		}
	}
	return &copied
}
