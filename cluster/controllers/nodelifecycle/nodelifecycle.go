// Package nodelifecycle notices that a node is lost and moves its pods elsewhere.
//
// A node that is cut off can't say so; all there is to see is silence. Agents renew a
// Lease every 10 seconds. If that stops for 50, the node's conditions become Unknown,
// it is tainted so that no new pods come, and its pods no longer count as ready, so
// that Services leave them out. The taint evicts pods too, but most of them tolerate
// it for five minutes: a node that only reboots keeps its pods.
//
// Two loops do this. One looks after nodes (health.go, taints.go); the other one
// evicts pods from tainted nodes, whoever tainted them (evict.go). They follow
// pkg/controller/nodelifecycle and pkg/controller/tainteviction of Kubernetes 1.37,
// without the limit of one evicted node in ten seconds.
package nodelifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	coordinationlisters "k8s.io/client-go/listers/coordination/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/controllers/loop"
	"noriter.dev/noriter/cluster/controllers/podset"
)

// Config is how patient to be.
type Config struct {
	// GracePeriod is how long a node may be silent. Upstream's default is 50 s.
	GracePeriod time.Duration
	// Period is how often a node that is not ready is looked at again.
	Period time.Duration
}

// startupGrace is how long a new node may take to report for the first time.
const startupGrace = 60 * time.Second

// Controller is both loops.
type Controller struct {
	client   kubernetes.Interface
	config   Config
	clock    clock.WithTicker
	events   record.EventRecorder // as node-controller
	eviction record.EventRecorder // as taint-eviction-controller
	nodes    corelisters.NodeLister
	leases   coordinationlisters.LeaseLister
	pods     cache.Indexer

	health *loop.Loop // of nodes
	evict  *loop.Loop // of pods

	mu sync.Mutex
	// heartbeats is when a node was last heard of, by our own clock: the times that
	// nodes write may be wrong.
	heartbeats map[string]time.Time
	// lastReady is what the Ready condition was when it was last looked at.
	lastReady map[string]v1.ConditionStatus
	// due is when a pod will be evicted.
	due map[string]time.Time
}

// New prepares both loops. leases is a factory of the namespace kube-node-lease.
func New(client kubernetes.Interface, factory, leases informers.SharedInformerFactory, config Config,
	events, eviction record.EventRecorder, clk clock.WithTicker) (*Controller, error) {
	nodes, pods, lease := factory.Core().V1().Nodes(), factory.Core().V1().Pods().Informer(), leases.Coordination().V1().Leases()
	if err := podset.IndexByNode(pods); err != nil {
		return nil, err
	}
	c := &Controller{
		client: client, config: config, clock: clk, events: events, eviction: eviction,
		nodes: nodes.Lister(), leases: lease.Lister(), pods: pods.GetIndexer(),
		heartbeats: map[string]time.Time{}, lastReady: map[string]v1.ConditionStatus{}, due: map[string]time.Time{},
	}
	c.health = loop.New("node-lifecycle-controller", clk, c.syncNode)
	c.evict = loop.New("taint-eviction-controller", clk, c.syncPod)
	_, errL := lease.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { c.heard(obj.(*coordinationv1.Lease).Name) },
		UpdateFunc: func(old, obj any) { c.leaseRenewed(old.(*coordinationv1.Lease), obj.(*coordinationv1.Lease)) },
	})
	_, errN := nodes.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { c.nodeChanged(nil, obj.(*v1.Node)) },
		UpdateFunc: func(old, obj any) { c.nodeChanged(old.(*v1.Node), obj.(*v1.Node)) },
		DeleteFunc: loop.OnDelete(c.nodeDeleted),
	})
	_, errP := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { c.podChanged(nil, obj.(*v1.Pod)) },
		UpdateFunc: func(old, obj any) { c.podChanged(old.(*v1.Pod), obj.(*v1.Pod)) },
		DeleteFunc: c.evict.Add, // to forget it
	})
	if err := errors.Join(errL, errN, errP); err != nil {
		return nil, fmt.Errorf("watching nodes, leases and pods: %w", err)
	}
	return c, nil
}

// Run works until ctx ends. The informers' caches must have been filled.
func (c *Controller) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { c.health.Run(ctx, 4) })
	running.Go(func() { c.evict.Run(ctx, 4) })
	running.Wait()
}

// heard notes a sign of life of a node.
func (c *Controller) heard(node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heartbeats[node] = c.clock.Now()
}

func (c *Controller) leaseRenewed(old, lease *coordinationv1.Lease) {
	if !equality.Semantic.DeepEqual(old.Spec.RenewTime, lease.Spec.RenewTime) {
		c.heard(lease.Name)
	}
}

// nodeChanged queues a node if something changed that matters here, which heartbeats
// by themselves do not.
func (c *Controller) nodeChanged(old, node *v1.Node) {
	if old == nil {
		c.heard(node.Name)
		c.events.Eventf(nodeReference(node), v1.EventTypeNormal, "RegisteredNode", "Node %s event: Registered Node %s in Controller", node.Name, node.Name)
		c.health.Add(node)
		c.queuePodsOf(node)
		return
	}
	if before, after := condition(old, v1.NodeReady), condition(node, v1.NodeReady); after != nil &&
		(before == nil || !before.LastHeartbeatTime.Equal(&after.LastHeartbeatTime)) {
		c.heard(node.Name)
	}
	if statuses(old) != statuses(node) || old.Spec.Unschedulable != node.Spec.Unschedulable ||
		!equality.Semantic.DeepEqual(old.Spec.Taints, node.Spec.Taints) {
		c.health.Add(node)
	}
	if !equality.Semantic.DeepEqual(noExecute(old), noExecute(node)) {
		c.queuePodsOf(node)
	}
}

// nodeDeleted forgets a node.
func (c *Controller) nodeDeleted(node *v1.Node) {
	c.events.Eventf(nodeReference(node), v1.EventTypeNormal, "RemovingNode", "Node %s event: Removing Node %s from Controller", node.Name, node.Name)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.heartbeats, node.Name)
	delete(c.lastReady, node.Name)
}

// podChanged queues a pod whose eviction may have to be decided anew.
func (c *Controller) podChanged(old, pod *v1.Pod) {
	if pod.Spec.NodeName == "" {
		return
	}
	if old == nil || old.Spec.NodeName != pod.Spec.NodeName || !equality.Semantic.DeepEqual(old.Spec.Tolerations, pod.Spec.Tolerations) {
		c.evict.Add(pod)
	}
}

func (c *Controller) queuePodsOf(node *v1.Node) {
	pods, err := podset.OnNode(c.pods, node.Name)
	if err != nil {
		slog.Error("looking for the pods of a node", "node", node.Name, "error", err)
		return
	}
	for _, pod := range pods {
		c.evict.Add(pod)
	}
}

func condition(node *v1.Node, conditionType v1.NodeConditionType) *v1.NodeCondition {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == conditionType {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}

// statuses puts the statuses of a node's conditions into something comparable.
func statuses(node *v1.Node) [5]v1.ConditionStatus {
	var all [5]v1.ConditionStatus
	for i, t := range []v1.NodeConditionType{v1.NodeReady, v1.NodeMemoryPressure, v1.NodeDiskPressure, v1.NodePIDPressure, v1.NodeNetworkUnavailable} {
		if found := condition(node, t); found != nil {
			all[i] = found.Status
		}
	}
	return all
}

// nodeReference is what events about a node refer to, with its UID so that `kubectl
// describe node` finds them.
func nodeReference(node *v1.Node) *v1.ObjectReference {
	return &v1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}
}
