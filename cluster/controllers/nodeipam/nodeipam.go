// Package nodeipam gives every node its part of the cluster's pod addresses.
//
// A node can't run pods on its network before it knows which addresses are its own,
// so this is one of the first things that happen to a new one: spec.podCIDR is set,
// and the agent hands it to the CNI plugin. It is never changed afterwards. Because each
// node has one block, a route for each node is all that the others need to reach its pods.
//
// It follows the range allocator of Kubernetes 1.37
// (pkg/controller/nodeipam/ipam/range_allocator.go), for one cluster CIDR.
package nodeipam

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"sync"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/controllers/loop"
	"noriter.dev/noriter/cluster/trace"
)

// Controller is the loop.
type Controller struct {
	client kubernetes.Interface
	nodes  corelisters.NodeLister
	events record.EventRecorder
	loop   *loop.Loop

	mu    sync.Mutex
	cidrs *cidrSet
	given map[string]netip.Prefix // by node, also if its cache entry lags behind
}

// New prepares the loop. Each node gets a block of 2^(32-bits) addresses of cluster;
// blocks that overlap with services are left out.
func New(client kubernetes.Interface, factory informers.SharedInformerFactory, events record.EventRecorder, clk clock.WithTicker,
	cluster netip.Prefix, bits int, services netip.Prefix) (*Controller, error) {
	cidrs, err := newCIDRSet(cluster, bits)
	if err != nil {
		return nil, err
	}
	if services.IsValid() {
		cidrs.exclude(services)
	}
	nodes := factory.Core().V1().Nodes()
	c := &Controller{client: client, nodes: nodes.Lister(), events: events, cidrs: cidrs, given: map[string]netip.Prefix{}}
	c.loop = loop.New("node-ipam-controller", clk, c.sync)
	if err := loop.Watch(nodes.Informer(), cache.ResourceEventHandlerFuncs{
		AddFunc: c.loop.Add,
		UpdateFunc: func(_, obj any) {
			// Most changes are heartbeats of nodes that have their block.
			if node := obj.(*v1.Node); node.Spec.PodCIDR == "" {
				c.loop.Add(node)
			}
		},
		DeleteFunc: c.loop.Add, // to give its block back
	}); err != nil {
		return nil, fmt.Errorf("watching nodes: %w", err)
	}
	return c, nil
}

// Run works until ctx ends. Blocks that nodes have already are noted before the first is
// given, or a new node might get that of an old one. One worker is enough: a block is
// found in memory, and written with a single request.
func (c *Controller) Run(ctx context.Context) error {
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	for _, node := range nodes {
		c.occupyCIDR(ctx, node)
	}
	c.loop.Run(ctx, 1)
	return nil
}

// sync gives one node its block, or takes back that of a node that is gone (upstream's
// syncNode).
func (c *Controller) sync(ctx context.Context, name string) error {
	node, err := c.nodes.Get(name)
	if apierrors.IsNotFound(err) {
		c.releaseCIDR(ctx, name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading node %s: %w", name, err)
	}
	if node.Spec.PodCIDR != "" {
		c.occupyCIDR(ctx, node)
		return nil
	}
	block, ok := c.allocateCIDR(name)
	if !ok {
		c.events.Eventf(node, v1.EventTypeNormal, "CIDRNotAvailable", "Node %s status is now: CIDRNotAvailable", name)
		return fmt.Errorf("no block of %v is free for node %s", c.cidrs.all, name)
	}
	trace.Decide(ctx, trace.For(node), "pod addresses "+block.String(), "the next free block of "+c.cidrs.all.String())
	return c.updatePodCIDR(ctx, node, block)
}

// updatePodCIDR writes the block down (upstream's updateCIDRsAllocation). The resource
// version is left out on purpose: the agent writes heartbeats all the time, and the API
// server itself refuses to change a podCIDR that is set.
func (c *Controller) updatePodCIDR(ctx context.Context, node *v1.Node, block netip.Prefix) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": node.UID},
		"spec":     map[string]any{"podCIDR": block.String(), "podCIDRs": []string{block.String()}},
	})
	if err != nil {
		return fmt.Errorf("writing the patch of node %s: %w", node.Name, err)
	}
	_, err = c.client.CoreV1().Nodes().Patch(ctx, node.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		c.releaseCIDR(ctx, node.Name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("giving node %s the addresses %v: %w", node.Name, block, err)
	}
	return nil
}

// allocateCIDR finds a block for the node: the one it was promised when the request to
// write it down failed, or the next free one (upstream's AllocateOrOccupyCIDR).
func (c *Controller) allocateCIDR(name string) (netip.Prefix, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if block, ok := c.given[name]; ok {
		return block, true
	}
	block, ok := c.cidrs.allocateNext()
	if ok {
		c.given[name] = block
	}
	return block, ok
}

// occupyCIDR remembers which block a node has, whoever gave it.
func (c *Controller) occupyCIDR(ctx context.Context, node *v1.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	block, err := netip.ParsePrefix(node.Spec.PodCIDR)
	if node.Spec.PodCIDR == "" || err != nil {
		return
	}
	if c.given[node.Name] == block {
		return
	}
	if !c.cidrs.occupy(block) {
		trace.Decide(ctx, trace.For(node), "pod addresses "+block.String()+" can't be reserved",
			"another node has them, or they are outside of "+c.cidrs.all.String())
		return
	}
	c.given[node.Name] = block
}

// releaseCIDR gives the block of a node that is gone to whoever comes next.
func (c *Controller) releaseCIDR(ctx context.Context, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if block, ok := c.given[name]; ok {
		c.cidrs.release(block)
		delete(c.given, name)
		trace.Decide(ctx, trace.Object{Kind: "Node", Name: name}, "pod addresses "+block.String()+" are free again", "the node is gone")
	}
}
