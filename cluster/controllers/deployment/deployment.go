// Package deployment moves a workload from one pod template to the next without
// letting it go down.
//
// A Deployment has no pods. It has ReplicaSets, one for each template it ever had,
// and all it does is to change how many replicas each of them should have: a bit
// more of the new one, a bit less of the old ones, within maxSurge and
// maxUnavailable, again and again as pods become ready. The old ones stay, empty, as
// the history that `kubectl rollout undo` goes back to.
//
// The files have the names of upstream's, where there are such: rolling.go and
// recreate.go are the two strategies, scale.go follows a change of size, progress.go says
// whether a rollout gets on.
//
// Behaviour, conditions, events and annotations follow pkg/controller/deployment of
// Kubernetes 1.37.
package deployment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/controllers/loop"
	"noriter.dev/noriter/cluster/controllers/podset"
)

var (
	kind           = appsv1.SchemeGroupVersion.WithKind("Deployment")
	replicaSetKind = appsv1.SchemeGroupVersion.WithKind("ReplicaSet")
)

// Controller is the loop. Its queue holds Deployments.
type Controller struct {
	client      kubernetes.Interface
	deployments podset.Owners[*appsv1.Deployment] // of ReplicaSets
	replicaSets podset.Owners[*appsv1.ReplicaSet] // of pods
	pods        cache.Indexer
	events      record.EventRecorder
	loop        *loop.Loop
	clock       clock.WithTicker
	// writes holds a sync back until the cache shows what the last one wrote: how many
	// replicas one ReplicaSet may have depends on how many the others have.
	writes *loop.Writes
}

// New prepares the loop. The informers must be started afterwards.
func New(client kubernetes.Interface, factory informers.SharedInformerFactory, events record.EventRecorder, clk clock.WithTicker) (*Controller, error) {
	deployments, replicaSets, pods := factory.Apps().V1().Deployments(), factory.Apps().V1().ReplicaSets(), factory.Core().V1().Pods().Informer()
	if err := podset.IndexByController(pods); err != nil {
		return nil, err
	}
	c := &Controller{
		client: client, events: events, clock: clk, pods: pods.GetIndexer(), writes: loop.NewWrites(clk),
		deployments: podset.OwnersOf(kind, deployments.Lister().Deployments, client.AppsV1().Deployments,
			func(d *appsv1.Deployment) *metav1.LabelSelector { return d.Spec.Selector }),
		replicaSets: podset.OwnersOf(replicaSetKind, replicaSets.Lister().ReplicaSets, client.AppsV1().ReplicaSets,
			func(rs *appsv1.ReplicaSet) *metav1.LabelSelector { return rs.Spec.Selector }),
	}
	c.loop = loop.New("deployment-controller", clk, c.sync)
	handlers := podset.Handlers[*appsv1.Deployment]{Owners: c.deployments, Loop: c.loop, Writes: c.writes}
	if err := errors.Join(
		loop.Watch(deployments.Informer(), handlers.ForOwners()),
		loop.Watch(replicaSets.Informer(), handlers.ForDependents()),
		loop.Watch(pods, cache.ResourceEventHandlerFuncs{DeleteFunc: loop.OnDelete(c.podDeleted)}),
	); err != nil {
		return nil, fmt.Errorf("watching deployments and their replica sets: %w", err)
	}
	return c, nil
}

// podDeleted wakes a Deployment that may be waiting for its old pods to be gone. Only
// the end of a pod matters, and only to Recreate, which waits for the last one.
// Everything else about pods comes to us as the status of their ReplicaSet.
func (c *Controller) podDeleted(pod *v1.Pod) {
	rs, ok := c.replicaSets.Of(pod)
	if !ok {
		return
	}
	if d, ok := c.deployments.Of(rs); ok && d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		c.loop.Add(d)
	}
}

// Run works until ctx ends. The informers' caches must have been filled.
func (c *Controller) Run(ctx context.Context, workers int) { c.loop.Run(ctx, workers) }

// sync brings one Deployment a step further (upstream's syncDeployment). It never waits:
// when pods become ready, their ReplicaSet's status changes, and that brings us here
// again.
func (c *Controller) sync(ctx context.Context, key string) error {
	cached, err := c.deployments.ByKey(key)
	if apierrors.IsNotFound(err) {
		return nil // the garbage collector deletes its ReplicaSets
	}
	if err != nil {
		return err
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
		return errors.Join(err, r.updateStatus(ctx))
	}
	return r.updateStatus(ctx)
}

// step does what there is to do next, which is one thing at a time.
func (r *rollout) step(ctx context.Context) error {
	if r.d.DeletionTimestamp != nil {
		r.calculateStatus()
		return nil
	}
	r.checkPausedConditions()
	switch {
	case r.d.Spec.Paused:
		// Nothing is rolled out, but a change of size is still followed.
		if err := r.scale(ctx); err != nil {
			return err
		}
		r.calculateStatus()
		return r.cleanupDeployment(ctx)
	case r.isScalingEvent():
		// First the new size, in the proportions there are; rolling goes on in the next sync,
		// which the change of the ReplicaSets brings about.
		if err := r.scale(ctx); err != nil {
			return err
		}
		r.calculateStatus()
		return nil
	case r.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
		return r.rolloutRecreate(ctx)
	default:
		return r.rolloutRolling(ctx)
	}
}

// ownReplicaSets returns the Deployment's ReplicaSets, oldest first (upstream's
// getReplicaSetsForDeployment). It adopts and releases some on the way.
func (c *Controller) ownReplicaSets(ctx context.Context, d *appsv1.Deployment) ([]*appsv1.ReplicaSet, error) {
	all, err := c.replicaSets.List(d.Namespace)
	if err != nil {
		return nil, fmt.Errorf("listing replica sets: %w", err)
	}
	sets, err := podset.Claim(ctx, c.deployments, d, all, c.client.AppsV1().ReplicaSets)
	slices.SortFunc(sets, podset.OldestFirst[*appsv1.ReplicaSet])
	return sets, err
}
