package scheduler

import (
	"slices"
	"strings"
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// clusterCache is the cluster in memory, all nodes and the pods on them: upstream's
// Cache (pkg/scheduler/backend/cache/cache.go).
//
// The scheduler decides by it and not by the API server, because it already has what
// is only decided. A pod that was given a node is "assumed" to be there at once: the
// next pod has to see that the room is taken, long before the watch shows it.
//
// An attempt reads it under the lock from beginning to end. Upstream takes a snapshot
// instead, so that events don't have to wait for the attempt.
type clusterCache struct {
	mu    sync.RWMutex
	nodes map[string]*nodeInfo
	// sorted are the nodes that exist, by name: attempts look at nodes in a fixed
	// order and remember where to go on.
	sorted    []*nodeInfo
	pods      map[types.UID]*podInfo
	nominated map[types.UID]*podInfo // see nominator.go
}

func newClusterCache() *clusterCache {
	return &clusterCache{nodes: map[string]*nodeInfo{}, pods: map[types.UID]*podInfo{}, nominated: map[types.UID]*podInfo{}}
}

// addOrUpdateNode takes in a node that is new or has changed.
func (c *clusterCache) addOrUpdateNode(node *v1.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.ensureNode(node.Name)
	if n.node == nil {
		at, _ := slices.BinarySearchFunc(c.sorted, n, func(a, b *nodeInfo) int { return strings.Compare(a.name, b.name) })
		c.sorted = slices.Insert(c.sorted, at, n)
	}
	n.setNode(node)
}

// ensureNode returns the entry of a node, which may be known only by its pods: the
// watches of pods and nodes run side by side, in no common order.
func (c *clusterCache) ensureNode(name string) *nodeInfo {
	n := c.nodes[name]
	if n == nil {
		n = &nodeInfo{name: name, pods: map[types.UID]*podInfo{}}
		c.nodes[name] = n
	}
	return n
}

// removeNode takes a deleted node out. Its pods stay until they are deleted
// themselves, so that they count again if the node comes back under its name.
func (c *clusterCache) removeNode(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.nodes[name]
	if n == nil {
		return
	}
	n.node = nil
	c.sorted = slices.DeleteFunc(c.sorted, func(other *nodeInfo) bool { return other == n })
	c.removeIfEmpty(n)
}

func (c *clusterCache) removeIfEmpty(n *nodeInfo) {
	if n.node == nil && len(n.pods) == 0 {
		delete(c.nodes, n.name)
	}
}

// addOrUpdatePod takes in a pod that has a node. If it was assumed, this confirms it.
func (c *clusterCache) addOrUpdatePod(pod *v1.Pod) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(pod.UID)
	c.add(newPodInfo(pod, pod.Spec.NodeName))
}

// removePod takes out a pod that is deleted or has ended. It is false if the pod was
// on no node.
func (c *clusterCache) removePod(uid types.UID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.pods[uid] != nil
	c.remove(uid)
	return known
}

// assumePod counts a pod on its node before the API server knows of it.
func (c *clusterCache) assumePod(pod *v1.Pod, node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pods[pod.UID] != nil {
		return
	}
	p := newPodInfo(pod, node)
	p.assumed = true
	c.add(p)
}

// forgetPod undoes assumePod: the binding failed. A pod that the watch has shown on a
// node since then stays; the request did arrive, and only its answer was lost.
func (c *clusterCache) forgetPod(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.pods[uid]; p != nil && p.assumed {
		c.remove(uid)
	}
}

// isAssumedPod is true between assumePod and the watch that confirms it.
func (c *clusterCache) isAssumedPod(uid types.UID) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	p := c.pods[uid]
	return p != nil && p.assumed
}

// add and remove change the cache while the caller holds the lock. A pod that has a
// node needs no nomination any more.
func (c *clusterCache) add(p *podInfo) {
	delete(c.nominated, p.pod.UID)
	c.pods[p.pod.UID] = p
	c.ensureNode(p.nodeName).addPod(p)
}

func (c *clusterCache) remove(uid types.UID) {
	p := c.pods[uid]
	if p == nil {
		return
	}
	delete(c.pods, uid)
	n := c.nodes[p.nodeName]
	n.removePod(p)
	c.removeIfEmpty(n)
}
