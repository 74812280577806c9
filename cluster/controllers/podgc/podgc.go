// Package podgc removes pods that nobody else will ever remove.
//
// A pod is normally taken off the API server by the agent of its node, when its
// containers have ended. That can't happen if the node is gone for good, or if the
// pod never had one; and pods that have run to their end pile up if nobody looks.
// Every 20 seconds this loop looks for such pods.
//
// It follows pkg/controller/podgc of Kubernetes 1.37, which can't be used as a
// library without half of the kubelet. It has no queue: what it looks for is no event,
// and it looks at all pods together.
package podgc

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/conditions"
	"noriter.dev/noriter/cluster/controllers/podset"
	"noriter.dev/noriter/cluster/trace"
)

const (
	// period is how often all pods are looked at: upstream's gcCheckPeriod.
	period = 20 * time.Second
	// quarantine is how long a node must be missing before its pods are removed: a node
	// may be removed and registered again, and the watch of nodes may lag behind that of
	// pods. The value is upstream's quarantineTime.
	quarantine = 40 * time.Second
)

// Controller is the loop.
type Controller struct {
	client  kubernetes.Interface
	pods    corelisters.PodLister
	nodes   corelisters.NodeLister
	clock   clock.WithTicker
	keep    int
	missing map[string]time.Time // nodes that pods name and that do not exist, since when
}

// New prepares the loop. keep is how many ended pods may stay; 0 means all.
func New(client kubernetes.Interface, factory informers.SharedInformerFactory, clk clock.WithTicker, keep int) *Controller {
	pods, nodes := factory.Core().V1().Pods(), factory.Core().V1().Nodes()
	pods.Informer() // a factory starts only what was asked for
	nodes.Informer()
	return &Controller{client: client, pods: pods.Lister(), nodes: nodes.Lister(), clock: clk, keep: keep, missing: map[string]time.Time{}}
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) {
	ticker := c.clock.NewTicker(period)
	defer ticker.Stop()
	for {
		if err := c.collect(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("collecting pods, will try again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
	}
}

// collect looks at all pods once (upstream's gc). The cases are, from the top, upstream's
// gcUnscheduledTerminating, gcTerminating, gcOrphaned and gcTerminated.
func (c *Controller) collect(ctx context.Context) error {
	pods, err := c.pods.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("listing pods: %w", err)
	}
	var ended []*v1.Pod
	deletedNodes := c.deletedNodes(ctx, pods)
	for _, pod := range pods {
		node, err := c.nodes.Get(pod.Spec.NodeName)
		switch {
		case pod.DeletionTimestamp != nil && pod.Spec.NodeName == "":
			c.remove(ctx, pod, "it is to end and never had a node", "")
		case pod.DeletionTimestamp != nil && err == nil && isOutOfService(node):
			c.remove(ctx, pod, "it is to end, and its node is out of service", "")
		case deletedNodes[pod.Spec.NodeName]:
			c.remove(ctx, pod, "its node no longer exists", "PodGC: node no longer exists")
		case podset.IsTerminal(pod):
			ended = append(ended, pod)
		}
	}
	if c.keep > 0 && len(ended) > c.keep {
		slices.SortFunc(ended, evictedThenOldest)
		for _, pod := range ended[:len(ended)-c.keep] {
			c.remove(ctx, pod, fmt.Sprintf("%d pods have ended, and %d may stay", len(ended), c.keep), "")
		}
	}
	return nil
}

// deletedNodes are the nodes that pods name, that have been missing for the quarantine,
// and that the API server says don't exist (upstream's discoverDeletedNodes). The cache
// alone is not trusted with it: what is removed here may still run.
func (c *Controller) deletedNodes(ctx context.Context, pods []*v1.Pod) map[string]bool {
	seen, deleted := map[string]bool{}, map[string]bool{}
	for _, pod := range pods {
		name := pod.Spec.NodeName
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		if _, err := c.nodes.Get(name); !apierrors.IsNotFound(err) {
			delete(c.missing, name)
			continue
		}
		if _, known := c.missing[name]; !known {
			c.missing[name] = c.clock.Now()
		}
		if c.clock.Since(c.missing[name]) < quarantine {
			continue
		}
		_, err := c.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		deleted[name] = apierrors.IsNotFound(err)
	}
	for name := range c.missing {
		if !seen[name] {
			delete(c.missing, name)
		}
	}
	return deleted
}

// isOutOfService is true for a node that is not ready and that someone has declared
// to be switched off (KEP-2268). Only then is it safe to say that its containers have
// ended, so that a volume may be used elsewhere.
func isOutOfService(node *v1.Node) bool {
	if ready, _ := conditions.NodeReady(node); ready {
		return false
	}
	return slices.ContainsFunc(node.Spec.Taints, func(t v1.Taint) bool { return t.Key == v1.TaintNodeOutOfService })
}

// evictedThenOldest is the order in which ended pods go (upstream's
// byEvictionAndCreationTimestamp). A node that is short of memory can leave many evicted
// pods behind, and they would push out those that ended by themselves.
func evictedThenOldest(a, b *v1.Pod) int {
	evicted := func(p *v1.Pod) int {
		if p.Status.Phase == v1.PodFailed && p.Status.Reason == "Evicted" {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(evicted(a), evicted(b)), podset.OldestFirst(a, b))
}

// remove ends a pod without asking its node (upstream's markFailedAndDeletePod). It is
// marked as failed first, if it had not ended, so that whoever counts ended pods, such as
// a Job, sees what became of it. disruption is the message of its condition
// DisruptionTarget, "" for none.
func (c *Controller) remove(ctx context.Context, pod *v1.Pod, why, disruption string) {
	trace.Decide(ctx, trace.For(pod), "removed", why, "node", pod.Spec.NodeName)
	err := c.markFailed(ctx, pod, disruption)
	if err == nil {
		// With no grace period the API server removes the object at once. Otherwise it
		// would wait for an agent to do so.
		err = c.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
			GracePeriodSeconds: ptr.To[int64](0), Preconditions: metav1.NewUIDPreconditions(string(pod.UID))})
	}
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		slog.Warn("removing a pod, will try again", "pod", pod.Namespace+"/"+pod.Name, "error", err)
	}
}

func (c *Controller) markFailed(ctx context.Context, pod *v1.Pod, disruption string) error {
	if podset.IsTerminal(pod) {
		return nil
	}
	status := v1.PodStatus{Phase: v1.PodFailed}
	if disruption != "" {
		status.Conditions = []v1.PodCondition{podset.DisruptionTarget(pod, "DeletionByPodGC", disruption, c.clock.Now())}
	}
	return podset.PatchStatus(ctx, c.client, pod, status)
}
