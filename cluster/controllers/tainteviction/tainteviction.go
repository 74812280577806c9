// Package tainteviction evicts pods from nodes whose taints they do not tolerate.
//
// A taint with the effect NoExecute says "leave", and a pod's toleration says for how
// long it may stay nevertheless. This loop deletes the pod when that time is over, and
// whatever the pod belongs to makes a new one elsewhere. It does not matter who added the
// taint: the node lifecycle controller, when a node is lost, or an administrator.
//
// The API server gives every pod a toleration of 300 seconds for lost nodes (admission
// plugin DefaultTolerationSeconds). So a node that only reboots keeps its pods.
//
// Behaviour follows pkg/controller/tainteviction of Kubernetes 1.37, which was split from
// the node lifecycle controller by KEP-3902.
package tainteviction

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/controllers/loop"
	"noriter.dev/noriter/cluster/controllers/podset"
	"noriter.dev/noriter/cluster/trace"
)

// Controller is the loop. Its queue holds pods.
type Controller struct {
	client kubernetes.Interface
	events record.EventRecorder
	nodes  corelisters.NodeLister
	pods   cache.Indexer
	loop   *loop.Loop
	clock  clock.WithTicker

	mu sync.Mutex
	// due is when a pod will be evicted, by its key. It is kept in memory only, since it
	// follows from the times in the taints.
	due map[string]time.Time
}

// New prepares the loop. The informers must be started afterwards.
func New(client kubernetes.Interface, factory informers.SharedInformerFactory, events record.EventRecorder, clk clock.WithTicker) (*Controller, error) {
	nodes, pods := factory.Core().V1().Nodes(), factory.Core().V1().Pods().Informer()
	if err := podset.IndexByNode(pods); err != nil {
		return nil, err
	}
	c := &Controller{client: client, events: events, nodes: nodes.Lister(), pods: pods.GetIndexer(), clock: clk, due: map[string]time.Time{}}
	c.loop = loop.New("taint-eviction-controller", clk, c.sync)
	if err := errors.Join(loop.Watch(nodes.Informer(), c.nodeHandler()), loop.Watch(pods, c.podHandler())); err != nil {
		return nil, fmt.Errorf("watching nodes and pods: %w", err)
	}
	return c, nil
}

// Run works until ctx ends. The informers' caches must have been filled.
func (c *Controller) Run(ctx context.Context, workers int) { c.loop.Run(ctx, workers) }

// nodeHandler queues all pods of a node whose taints have changed.
func (c *Controller) nodeHandler() cache.ResourceEventHandler {
	queuePods := func(node *v1.Node) {
		pods, err := podset.OnNode(c.pods, node.Name)
		if err != nil {
			slog.Error("looking for the pods of a node", "node", node.Name, "error", err)
			return
		}
		for _, pod := range pods {
			c.loop.Add(pod)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		// At the start: a node may have been tainted while nobody looked.
		AddFunc: func(obj any) { queuePods(obj.(*v1.Node)) },
		UpdateFunc: func(old, obj any) {
			before, after := old.(*v1.Node), obj.(*v1.Node)
			if !equality.Semantic.DeepEqual(noExecuteTaints(before), noExecuteTaints(after)) {
				queuePods(after)
			}
		},
	}
}

// podHandler queues a pod whose eviction may have to be decided anew: it has got a node,
// perhaps a tainted one, or other tolerations.
func (c *Controller) podHandler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if pod := obj.(*v1.Pod); pod.Spec.NodeName != "" {
				c.loop.Add(pod)
			}
		},
		UpdateFunc: func(old, obj any) {
			before, after := old.(*v1.Pod), obj.(*v1.Pod)
			if after.Spec.NodeName != "" && (before.Spec.NodeName != after.Spec.NodeName || !equality.Semantic.DeepEqual(before.Spec.Tolerations, after.Spec.Tolerations)) {
				c.loop.Add(after)
			}
		},
		DeleteFunc: c.loop.Add, // to forget when it was due
	}
}

// sync decides whether, and when, a pod has to leave its node for the taints that the
// node has (upstream's processPodOnNode).
func (c *Controller) sync(ctx context.Context, key string) error {
	obj, exists, err := c.pods.GetByKey(key)
	if err != nil {
		return fmt.Errorf("reading pod %s: %w", key, err)
	}
	pod, ok := obj.(*v1.Pod)
	if !exists || !ok || pod.DeletionTimestamp != nil {
		c.setDue(key, time.Time{})
		return nil
	}
	node, err := c.nodes.Get(pod.Spec.NodeName)
	if apierrors.IsNotFound(err) {
		return nil // the pod garbage collector removes it
	}
	if err != nil {
		return fmt.Errorf("reading node %s: %w", pod.Spec.NodeName, err)
	}

	due, taint := c.evictionTime(pod, noExecuteTaints(node))
	if due.IsZero() {
		if c.setDue(key, due) {
			trace.Decide(ctx, trace.For(pod), "eviction called off", "its node has no taint any more that it does not tolerate")
			c.events.Eventf(pod, v1.EventTypeNormal, "TaintManagerEviction", "Cancelling deletion of Pod %s", key)
		}
		return nil
	}
	// The queue is the timer. A sync that comes for another reason changes nothing: it finds
	// the same time, and puts the pod into the queue for it once more.
	if wait := due.Sub(c.clock.Now()); wait > 0 {
		if !c.setDue(key, due) {
			trace.Decide(ctx, trace.For(pod), "to be evicted in "+wait.Round(time.Second).String(), "it tolerates the taint "+taint+" of its node for that long")
		}
		c.loop.AddAfter(pod, wait) // then everything is looked at again
		return nil
	}
	c.setDue(key, time.Time{})
	return c.evict(ctx, pod, taint)
}

// evictionTime is when the pod has to go, and for which taint; the zero time if it
// may stay. Each taint is tolerated for as long as the toleration says (upstream's
// getMinTolerationTime), counted from when the taint was added. So a restart of this
// process does not start the time again.
func (c *Controller) evictionTime(pod *v1.Pod, taints []v1.Taint) (due time.Time, key string) {
	for i := range taints {
		taint := &taints[i]
		from := c.clock.Now() // for a taint that somebody added without a time
		if taint.TimeAdded != nil {
			from = taint.TimeAdded.Time
		}
		if pod.CreationTimestamp.After(from) { // it came to a node that was tainted already
			from = pod.CreationTimestamp.Time
		}
		seconds, tolerated := tolerance(pod, taint)
		if !tolerated {
			return c.clock.Now(), taint.Key
		}
		if seconds == nil {
			continue // for ever
		}
		end := from.Add(time.Duration(max(0, *seconds)) * time.Second)
		if due.IsZero() || end.Before(due) {
			due, key = end, taint.Key
		}
	}
	return due, key
}

// tolerance is for how many seconds the pod tolerates a taint, nil for ever.
func tolerance(pod *v1.Pod, taint *v1.Taint) (seconds *int64, tolerated bool) {
	for i := range pod.Spec.Tolerations {
		one := pod.Spec.Tolerations[i : i+1]
		if corev1helpers.TolerationsTolerateTaint(klog.Background(), one, taint, false) {
			return one[0].TolerationSeconds, true
		}
	}
	return nil, false
}

// setDue remembers when a pod will be evicted; the zero time means not at all. It is true
// if it was to be before.
func (c *Controller) setDue(key string, due time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.due[key]
	if due.IsZero() {
		delete(c.due, key)
	} else {
		c.due[key] = due
	}
	return known
}

// evict deletes the pod. On a node that is lost it stays, terminating, until the
// node comes back or is removed: nobody else can say that its containers have ended.
func (c *Controller) evict(ctx context.Context, pod *v1.Pod, taint string) error {
	trace.Decide(ctx, trace.For(pod), "evicted", "its node "+pod.Spec.NodeName+" has the taint "+taint)
	c.events.Eventf(pod, v1.EventTypeNormal, "TaintManagerEviction", "Marking for deletion Pod %s/%s", pod.Namespace, pod.Name)
	err := podset.PatchStatus(ctx, c.client, pod, v1.PodStatus{Conditions: []v1.PodCondition{
		podset.DisruptionTarget(pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", c.clock.Now()),
	}})
	if err == nil {
		err = c.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, *metav1.NewPreconditionDeleteOptions(string(pod.UID)))
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("evicting pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// noExecuteTaints are the taints that evict pods (upstream's getNoExecuteTaints).
func noExecuteTaints(node *v1.Node) []v1.Taint {
	var taints []v1.Taint
	for _, taint := range node.Spec.Taints {
		if taint.Effect == v1.TaintEffectNoExecute {
			taints = append(taints, taint)
		}
	}
	return taints
}
