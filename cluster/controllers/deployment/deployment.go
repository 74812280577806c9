// Package deployment moves a workload from one pod template to the next without
// letting it go down.
//
// A Deployment has no pods. It has ReplicaSets, one for each template it ever had,
// and all it does is to change how many replicas each of them should have: a bit
// more of the new one, a bit less of the old ones, within maxSurge and
// maxUnavailable, again and again as pods become ready. The old ones stay, empty, as
// the history that `kubectl rollout undo` goes back to.
//
// Behaviour, conditions, events and annotations follow pkg/controller/deployment of
// Kubernetes 1.37.
package deployment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/controllers/loop"
	"noriter.dev/noriter/cluster/controllers/podset"
	"noriter.dev/noriter/cluster/trace"
)

var (
	kind           = appsv1.SchemeGroupVersion.WithKind("Deployment")
	replicaSetKind = appsv1.SchemeGroupVersion.WithKind("ReplicaSet")
)

// Controller is the loop.
type Controller struct {
	client      kubernetes.Interface
	deployments appslisters.DeploymentLister
	replicaSets appslisters.ReplicaSetLister
	pods        cache.Indexer
	events      record.EventRecorder
	loop        *loop.Loop
	clock       clock.WithTicker
	writes      *loop.Writes
}

// New prepares the loop. The informers must be started afterwards.
func New(client kubernetes.Interface, factory informers.SharedInformerFactory, events record.EventRecorder, clk clock.WithTicker) (*Controller, error) {
	deployments, replicaSets, pods := factory.Apps().V1().Deployments(), factory.Apps().V1().ReplicaSets(), factory.Core().V1().Pods().Informer()
	if err := podset.Index(pods); err != nil {
		return nil, err
	}
	c := &Controller{
		client: client, events: events, clock: clk,
		deployments: deployments.Lister(), replicaSets: replicaSets.Lister(), pods: pods.GetIndexer(),
		writes: loop.NewWrites(clk),
	}
	c.loop = loop.New("deployment-controller", clk, c.sync)
	_, errD := deployments.Informer().AddEventHandler(c.loop.Handler())
	_, errG := deployments.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{DeleteFunc: func(obj any) {
		if d, ok := obj.(*appsv1.Deployment); ok {
			c.writes.Forget(d.UID)
		}
	}})
	_, errR := replicaSets.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    c.queueOwners,
		UpdateFunc: func(old, obj any) { c.queueOwners(old); c.queueOwners(obj) },
		DeleteFunc: func(obj any) {
			if rs, ok := obj.(*appsv1.ReplicaSet); ok {
				c.writes.Forget(rs.UID)
			}
			c.queueOwners(obj)
		},
	})
	// Only the end of a pod matters, and only to Recreate, which waits for the last.
	_, errP := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{DeleteFunc: func(obj any) { c.podGone(podset.AsPod(obj)) }})
	if err := errors.Join(errD, errG, errR, errP); err != nil {
		return nil, fmt.Errorf("watching deployments and their replica sets: %w", err)
	}
	return c, nil
}

// Run works until ctx ends. The informers' caches must have been filled.
func (c *Controller) Run(ctx context.Context, workers int) { c.loop.Run(ctx, workers) }

// sync brings one Deployment a step further. It never waits: when pods become ready,
// their ReplicaSet's status changes, and that brings us here again.
func (c *Controller) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return fmt.Errorf("reading key %q: %w", key, err)
	}
	cached, err := c.deployments.Deployments(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil // the garbage collector deletes its ReplicaSets
	}
	if err != nil {
		return fmt.Errorf("reading deployment %s: %w", key, err)
	}
	if equality.Semantic.DeepEqual(cached.Spec.Selector, &metav1.LabelSelector{}) {
		c.events.Event(cached, v1.EventTypeWarning, "SelectingAll", "This deployment is selecting all pods. A non-empty selector is required.")
		return nil
	}
	sets, err := c.ownReplicaSets(ctx, cached)
	if err != nil {
		return err
	}

	if wait := loop.Pending(c.writes, cached.UID, sets); wait > 0 {
		c.loop.AddAfter(cached, wait)
		return nil // the watch will show what we wrote, and that brings us here again
	}

	r := newRollout(c, cached, sets)
	if err := r.step(ctx); err != nil {
		// What is known of the failure goes into the status, whatever comes of that.
		return errors.Join(err, r.writeStatus(ctx))
	}
	return r.writeStatus(ctx)
}

// step does what there is to do next, which is one thing at a time.
func (r *rollout) step(ctx context.Context) error {
	switch {
	case r.d.DeletionTimestamp != nil:
		r.observe()
		return nil
	case r.d.Spec.Paused:
		// Nothing is rolled out, but a change of size is still followed.
		r.notePause()
		if err := r.scale(ctx); err != nil {
			return err
		}
		r.observe()
		return r.prune(ctx)
	case r.resized():
		// First the new size, in the proportions there are; rolling goes on after that.
		r.notePause()
		if err := r.scale(ctx); err != nil {
			return err
		}
		r.observe()
		return nil
	case r.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
		r.notePause()
		return r.recreate(ctx)
	default:
		r.notePause()
		return r.roll(ctx)
	}
}

// ownReplicaSets returns the Deployment's ReplicaSets, oldest first.
func (c *Controller) ownReplicaSets(ctx context.Context, d *appsv1.Deployment) ([]*appsv1.ReplicaSet, error) {
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return nil, fmt.Errorf("reading the selector of deployment %s/%s: %w", d.Namespace, d.Name, err)
	}
	all, err := c.replicaSets.ReplicaSets(d.Namespace).List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("listing replica sets: %w", err)
	}
	claim := podset.Claim[*appsv1.ReplicaSet]{
		Owner: d, Kind: kind, Selector: selector,
		Fresh: func(ctx context.Context) (metav1.Object, error) {
			return c.client.AppsV1().Deployments(d.Namespace).Get(ctx, d.Name, metav1.GetOptions{})
		},
		Patch: func(ctx context.Context, rs *appsv1.ReplicaSet, patch []byte) error {
			_, err := c.client.AppsV1().ReplicaSets(rs.Namespace).Patch(ctx, rs.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
			return err
		},
	}
	sets, err := claim.Objects(ctx, all)
	slices.SortFunc(sets, older)
	return sets, err
}

func older(a, b *appsv1.ReplicaSet) int {
	if order := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); order != 0 {
		return order
	}
	return strings.Compare(a.Name, b.Name)
}

// queueOwners queues the Deployment that a ReplicaSet belongs to, or those that
// might adopt it.
func (c *Controller) queueOwners(obj any) {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	rs, ok := obj.(*appsv1.ReplicaSet)
	if !ok {
		return
	}
	if ref := metav1.GetControllerOfNoCopy(rs); ref != nil {
		if d := c.owner(rs.Namespace, ref); d != nil {
			c.loop.Add(d)
		}
		return
	}
	all, err := c.deployments.Deployments(rs.Namespace).List(labels.Everything())
	if err != nil {
		slog.Error("looking for an owner of a replica set", "replicaset", rs.Namespace+"/"+rs.Name, "error", err)
		return
	}
	for _, d := range all {
		selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
		if err == nil && !selector.Empty() && selector.Matches(labels.Set(rs.Labels)) {
			c.loop.Add(d)
		}
	}
}

func (c *Controller) owner(namespace string, ref *metav1.OwnerReference) *appsv1.Deployment {
	if ref.Kind != kind.Kind {
		return nil
	}
	d, err := c.deployments.Deployments(namespace).Get(ref.Name)
	if err != nil || d.UID != ref.UID {
		return nil
	}
	return d
}

// podGone wakes a Deployment that may be waiting for its old pods to be gone.
func (c *Controller) podGone(pod *v1.Pod) {
	if pod == nil {
		return
	}
	ref := metav1.GetControllerOfNoCopy(pod)
	if ref == nil || ref.Kind != replicaSetKind.Kind {
		return
	}
	rs, err := c.replicaSets.ReplicaSets(pod.Namespace).Get(ref.Name)
	if err != nil || rs.UID != ref.UID {
		return
	}
	owner := metav1.GetControllerOfNoCopy(rs)
	if owner == nil {
		return
	}
	if d := c.owner(pod.Namespace, owner); d != nil && d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		c.loop.Add(d)
	}
}

// writeStatus writes what the step has found and noted, if that is news.
func (r *rollout) writeStatus(ctx context.Context) error {
	if equality.Semantic.DeepEqual(r.before.Status, r.d.Status) && maps.Equal(r.before.Annotations, r.d.Annotations) {
		r.lookAgainForProgress()
		return nil
	}
	_, err := r.c.client.AppsV1().Deployments(r.d.Namespace).UpdateStatus(ctx, r.d, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing the status of deployment %s/%s: %w", r.d.Namespace, r.d.Name, err)
	}
	return nil
}

func (r *rollout) decide(ctx context.Context, what, why string, kv ...any) {
	trace.Decide(ctx, trace.For(r.d), what, why, kv...)
}
