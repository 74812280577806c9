package scheduler

import (
	"slices"
	"strings"
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// nodeState is a node with the pods that are on it, as the scheduler sees it.
type nodeState struct {
	name        string
	node        *v1.Node // nil if pods of it are known but it is not (any more)
	allocatable amounts
	podLimit    int
	images      map[string]int64 // name → size in bytes
	pods        map[types.UID]*podState
	requested   amounts // what its pods ask for
	likelyUse   amounts // the same with assumedRequests
	repelling   int     // pods on it with required anti-affinity
	preferring  int     // pods on it that prefer the company of some, or of none
}

// podState is a pod on a node, with its requests worked out once.
type podState struct {
	pod       *v1.Pod
	requests  amounts
	likelyUse amounts
	ports     []hostPort
	node      string
	// assumed is true from our decision until the watch confirms it.
	assumed bool
}

func newPodState(pod *v1.Pod, node string) *podState {
	return &podState{pod: pod, requests: requestsOf(pod), likelyUse: likelyUseOf(pod), ports: hostPortsOf(pod), node: node}
}

func (n *nodeState) add(p *podState) {
	n.pods[p.pod.UID] = p
	n.count(p, 1)
}

func (n *nodeState) remove(p *podState) {
	delete(n.pods, p.pod.UID)
	n.count(p, -1)
}

func (n *nodeState) count(p *podState, sign int64) {
	n.requested.plus(p.requests, sign)
	n.likelyUse.plus(p.likelyUse, sign)
	if len(repelTerms(p.pod)) > 0 {
		n.repelling += int(sign)
	}
	if len(preferTerms(p.pod)) > 0 {
		n.preferring += int(sign)
	}
}

// without is the node as it would be if some pods left it.
func (n *nodeState) without(leaving []*podState) *nodeState {
	copied := *n
	copied.pods = make(map[types.UID]*podState, len(n.pods))
	copied.requested, copied.likelyUse = amounts{}, amounts{}
	copied.repelling, copied.preferring = 0, 0
	for uid, p := range n.pods {
		if !slices.Contains(leaving, p) {
			copied.pods[uid] = p
			copied.count(p, 1)
		}
	}
	return &copied
}

// clusterCache is the cluster in memory: all nodes, and on them the pods that have one.
//
// The scheduler works on it and not on the API server, and it includes what has
// only been decided yet. A pod that was given a node is "assumed" there at once:
// the next pod has to see that the room is taken, long before the watch says so.
type clusterCache struct {
	mu     sync.RWMutex
	nodes  map[string]*nodeState
	sorted []*nodeState // those that exist, by name
	pods   map[types.UID]*podState
	// nominated are pods that wait for others to leave a node for them.
	nominated map[types.UID]*podState
}

func newCache() *clusterCache {
	return &clusterCache{nodes: map[string]*nodeState{}, pods: map[types.UID]*podState{}, nominated: map[types.UID]*podState{}}
}

func (c *clusterCache) state(name string) *nodeState {
	n := c.nodes[name]
	if n == nil {
		n = &nodeState{name: name, pods: map[types.UID]*podState{}}
		c.nodes[name] = n
	}
	return n
}

// setNode stores a node that is new or has changed.
func (c *clusterCache) setNode(node *v1.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.state(node.Name)
	if n.node == nil {
		at, _ := slices.BinarySearchFunc(c.sorted, n, func(a, b *nodeState) int { return strings.Compare(a.name, b.name) })
		c.sorted = slices.Insert(c.sorted, at, n)
	}
	n.node = node
	n.allocatable = amountsOf(node.Status.Allocatable)
	n.podLimit = int(node.Status.Allocatable.Pods().Value())
	n.images = map[string]int64{}
	for _, image := range node.Status.Images {
		for _, name := range image.Names {
			n.images[name] = image.SizeBytes
		}
	}
}

// dropNode forgets a node. Its pods stay known until they are deleted themselves.
func (c *clusterCache) dropNode(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.nodes[name]
	if n == nil {
		return
	}
	n.node = nil
	c.sorted = slices.DeleteFunc(c.sorted, func(other *nodeState) bool { return other == n })
	c.tidy(n)
}

func (c *clusterCache) tidy(n *nodeState) {
	if n.node == nil && len(n.pods) == 0 {
		delete(c.nodes, n.name)
	}
}

// setPod stores a pod that has a node, and so confirms one that was assumed.
func (c *clusterCache) setPod(pod *v1.Pod) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(pod.UID)
	c.put(newPodState(pod, pod.Spec.NodeName))
}

// dropPod forgets a pod that is gone or has ended. It is false if it had no node.
func (c *clusterCache) dropPod(uid types.UID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.pods[uid] != nil
	c.drop(uid)
	return known
}

// assume counts the pod on a node before the API server knows.
func (c *clusterCache) assume(pod *v1.Pod, node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pods[pod.UID] != nil {
		return
	}
	p := newPodState(pod, node)
	p.assumed = true
	c.put(p)
}

// forget takes back what was assumed: the pod could not be bound. A pod that has
// been confirmed meanwhile stays.
func (c *clusterCache) forget(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.pods[uid]; p != nil && p.assumed {
		c.drop(uid)
	}
}

// isAssumed is true for a pod that has been decided and not yet confirmed.
func (c *clusterCache) isAssumed(uid types.UID) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	p := c.pods[uid]
	return p != nil && p.assumed
}

// nominate keeps the room on a node for a pod that evicts others from it, or drops
// that if node is "".
func (c *clusterCache) nominate(pod *v1.Pod, node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.nominated, pod.UID)
	if node != "" && c.pods[pod.UID] == nil {
		c.nominated[pod.UID] = newPodState(pod, node)
	}
}

// withNominated is a node as it will be with the pods that wait to get there and
// are no less important than pod. They must not lose their room to it.
func (c *clusterCache) withNominated(n *nodeState, pod *v1.Pod) *nodeState {
	result := n
	for uid, waiting := range c.nominated {
		if waiting.node != n.name || uid == pod.UID || podPriority(waiting.pod) < podPriority(pod) {
			continue
		}
		if result == n {
			result = n.without(nil)
		}
		result.add(waiting)
	}
	return result
}

func (c *clusterCache) put(p *podState) {
	delete(c.nominated, p.pod.UID)
	c.pods[p.pod.UID] = p
	c.state(p.node).add(p)
}

func (c *clusterCache) drop(uid types.UID) {
	p := c.pods[uid]
	if p == nil {
		return
	}
	delete(c.pods, uid)
	n := c.nodes[p.node]
	n.remove(p)
	c.tidy(n)
}
