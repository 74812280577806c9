// Package nodelifecycle notices that a node is lost.
//
// A node that is cut off can't say so; all there is to see is silence. Agents renew a
// Lease every 10 seconds. If that stops for 50, the node's conditions become Unknown
// (health.go), its pods no longer count as ready, so that Services leave them out
// (pods.go), and it is tainted so that no new pods come (taints.go). The taints of a node
// that is lost or not ready evict pods too: that is the work of the package tainteviction.
//
// It follows pkg/controller/nodelifecycle of Kubernetes 1.37, without zones and without
// the limit of one evicted node in ten seconds. Upstream goes through all nodes every 5
// seconds; here each node has a key in the queue, and a time at which it is looked at
// next.
package nodelifecycle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
	// GracePeriod is how long a node may be silent: --node-monitor-grace-period, upstream's
	// default is 50 s. That is five heartbeats of 10 s each.
	GracePeriod time.Duration
	// StartupGracePeriod is how long a new node may take to report for the first time:
	// --node-startup-grace-period, upstream's default is 60 s.
	StartupGracePeriod time.Duration
	// Period is how often a node that is not ready is looked at again:
	// --node-monitor-period, upstream's default is 5 s.
	Period time.Duration
}

// Controller is the loop. Its queue holds nodes.
type Controller struct {
	client kubernetes.Interface
	config Config
	clock  clock.WithTicker
	events record.EventRecorder
	nodes  corelisters.NodeLister
	leases coordinationlisters.LeaseLister
	pods   cache.Indexer
	loop   *loop.Loop

	mu sync.Mutex
	// heartbeats is when a node was last heard of (upstream's probeTimestamp), by our own
	// clock: the times that nodes write may be wrong.
	heartbeats map[string]time.Time
	// lastReady is what the Ready condition was when it was last looked at.
	lastReady map[string]v1.ConditionStatus
}

// New prepares the loop. leases is a factory of the namespace kube-node-lease.
func New(client kubernetes.Interface, factory, leases informers.SharedInformerFactory, config Config, events record.EventRecorder, clk clock.WithTicker) (*Controller, error) {
	nodes, pods, lease := factory.Core().V1().Nodes(), factory.Core().V1().Pods().Informer(), leases.Coordination().V1().Leases()
	if err := podset.IndexByNode(pods); err != nil {
		return nil, err
	}
	c := &Controller{
		client: client, config: config, clock: clk, events: events,
		nodes: nodes.Lister(), leases: lease.Lister(), pods: pods.GetIndexer(),
		heartbeats: map[string]time.Time{}, lastReady: map[string]v1.ConditionStatus{},
	}
	c.loop = loop.New("node-lifecycle-controller", clk, c.sync)
	if err := errors.Join(
		loop.Watch(lease.Informer(), cache.ResourceEventHandlerFuncs{
			AddFunc:    func(obj any) { c.heard(obj.(*coordinationv1.Lease).Name) },
			UpdateFunc: func(old, obj any) { c.leaseRenewed(old.(*coordinationv1.Lease), obj.(*coordinationv1.Lease)) },
		}),
		loop.Watch(nodes.Informer(), cache.ResourceEventHandlerFuncs{
			AddFunc:    func(obj any) { c.nodeAdded(obj.(*v1.Node)) },
			UpdateFunc: func(old, obj any) { c.nodeUpdated(old.(*v1.Node), obj.(*v1.Node)) },
			DeleteFunc: loop.OnDelete(c.nodeDeleted),
		}),
	); err != nil {
		return nil, fmt.Errorf("watching nodes and leases: %w", err)
	}
	return c, nil
}

// Run works until ctx ends. The informers' caches must have been filled.
func (c *Controller) Run(ctx context.Context, workers int) { c.loop.Run(ctx, workers) }

// sync looks at one node: is it silent, how is it tainted, do its pods count
// (upstream's monitorNodeHealth, for one node).
func (c *Controller) sync(ctx context.Context, name string) error {
	cached, err := c.nodes.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading node %s: %w", name, err)
	}
	node := cached.DeepCopy()

	left, err := c.updateNodeHealth(ctx, node)
	if err != nil {
		return err
	}
	if err := c.updateTaints(ctx, node); err != nil {
		return err
	}
	if err := c.markPodsNotReady(ctx, node); err != nil {
		return err
	}

	// Silence is no event, so come back when it has lasted too long. A node that is not
	// ready is looked at more often: whether its pods may be evicted depends on the others.
	if ready := condition(node, v1.NodeReady); ready != nil && ready.Status != v1.ConditionTrue {
		left = c.config.Period
	}
	c.loop.AddAfter(node, left)
	return nil
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

// nodeAdded counts as a sign of life too: when this process starts, every node is given
// the whole grace period again.
func (c *Controller) nodeAdded(node *v1.Node) {
	c.heard(node.Name)
	c.events.Eventf(nodeReference(node), v1.EventTypeNormal, "RegisteredNode", "Node %s event: Registered Node %s in Controller", node.Name, node.Name)
	c.loop.Add(node)
}

// nodeUpdated queues a node if something changed that matters here, which heartbeats
// by themselves do not. An agent's report of its status is a heartbeat like its lease.
func (c *Controller) nodeUpdated(old, node *v1.Node) {
	if before, after := condition(old, v1.NodeReady), condition(node, v1.NodeReady); after != nil &&
		(before == nil || !before.LastHeartbeatTime.Equal(&after.LastHeartbeatTime)) {
		c.heard(node.Name)
	}
	if statuses(old) != statuses(node) || old.Spec.Unschedulable != node.Spec.Unschedulable ||
		!equality.Semantic.DeepEqual(old.Spec.Taints, node.Spec.Taints) {
		c.loop.Add(node)
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

func condition(node *v1.Node, conditionType v1.NodeConditionType) *v1.NodeCondition {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == conditionType {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}

// statuses puts the statuses of a node's conditions into something comparable. Their times
// change with each heartbeat, and are left out.
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
