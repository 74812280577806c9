// Package daemonset runs one pod on every node, or on every node of a kind.
//
// A ReplicaSet counts pods; a DaemonSet goes through the nodes. For each it asks:
// should a pod run here, does one, and is it the right one? It does not place pods
// itself. It makes a pod that can go to one node only, and leaves the rest to the
// scheduler, so that room and order are decided in one place.
//
// One sync has three parts, in this order: history.go finds the revision of the current
// template, manage.go makes missing pods and deletes those that are too many, update.go
// replaces pods of old templates.
//
// Behaviour follows pkg/controller/daemon of Kubernetes 1.37.
package daemonset

import (
	"context"
	"errors"
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/controllers/history"
	"noriter.dev/noriter/cluster/controllers/loop"
	"noriter.dev/noriter/cluster/controllers/podset"
)

// Controller is the loop. Its queue holds DaemonSets; a sync looks at all nodes.
type Controller struct {
	client     kubernetes.Interface
	daemonSets podset.Owners[*appsv1.DaemonSet]
	history    history.History[*appsv1.DaemonSet]
	nodes      corelisters.NodeLister
	pods       cache.Indexer
	podControl podset.PodControl
	events     record.EventRecorder
	expect     *podset.Expectations
	// failures makes pods that fail again and again be replaced ever more slowly (upstream's
	// failedPodsBackoff). It is by node: a pod that fails on one may run on the others.
	failures *flowcontrol.Backoff
	loop     *loop.Loop
	clock    clock.WithTicker
}

// New prepares the loop. The informers must be started afterwards.
func New(client kubernetes.Interface, factory informers.SharedInformerFactory, events record.EventRecorder, clk clock.WithTicker) (*Controller, error) {
	sets, nodes, pods := factory.Apps().V1().DaemonSets(), factory.Core().V1().Nodes(), factory.Core().V1().Pods().Informer()
	if err := podset.IndexByController(pods); err != nil {
		return nil, err
	}
	owners := podset.OwnersOf(appsv1.SchemeGroupVersion.WithKind("DaemonSet"), sets.Lister().DaemonSets, client.AppsV1().DaemonSets,
		func(ds *appsv1.DaemonSet) *metav1.LabelSelector { return ds.Spec.Selector })
	expect := podset.NewExpectations(clk)
	c := &Controller{
		client: client, daemonSets: owners, history: history.New(client, factory, owners), nodes: nodes.Lister(), pods: pods.GetIndexer(),
		podControl: podset.PodControl{Client: client, Events: events, Kind: owners.Kind, Expect: expect}, events: events, clock: clk,
		expect: expect, failures: flowcontrol.NewBackOff(firstRetry, lastRetry),
	}
	c.loop = loop.New("daemonset-controller", clk, c.sync)
	handlers := podset.Handlers[*appsv1.DaemonSet]{Owners: owners, Loop: c.loop, Expect: expect}
	if err := errors.Join(
		loop.Watch(sets.Informer(), handlers.ForOwners()),
		loop.Watch(pods, handlers.ForDependents()),
		loop.Watch(nodes.Informer(), c.nodeHandler(sets.Informer().GetStore())),
	); err != nil {
		return nil, fmt.Errorf("watching daemon sets, their pods and nodes: %w", err)
	}
	return c, nil
}

// nodeHandler looks again at all DaemonSets if something about a node changed that
// decides where their pods run. Most changes of nodes are heartbeats, and do not count.
func (c *Controller) nodeHandler(daemonSets cache.Store) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { c.loop.AddAll(daemonSets) },
		UpdateFunc: func(old, obj any) {
			before, after := old.(*v1.Node), obj.(*v1.Node)
			if !maps.Equal(before.Labels, after.Labels) || !equality.Semantic.DeepEqual(before.Spec.Taints, after.Spec.Taints) || before.Name != after.Name {
				c.loop.AddAll(daemonSets)
			}
		},
		DeleteFunc: func(any) { c.loop.AddAll(daemonSets) },
	}
}

// Run works until ctx ends. The informers' caches must have been filled.
func (c *Controller) Run(ctx context.Context, workers int) { c.loop.Run(ctx, workers) }

// sync brings the pods of one DaemonSet closer to one on each node that wants one
// (upstream's syncDaemonSet).
func (c *Controller) sync(ctx context.Context, key string) error {
	ds, err := c.daemonSets.ByKey(key)
	if apierrors.IsNotFound(err) {
		c.expect.Forget(key)
		return nil
	}
	if err != nil {
		return err
	}
	if equality.Semantic.DeepEqual(ds.Spec.Selector, &metav1.LabelSelector{}) {
		c.events.Event(ds, v1.EventTypeWarning, "SelectingAll", "This daemon set is selecting all pods. A non-empty selector is required.")
		return nil
	}
	if ds.DeletionTimestamp != nil {
		return nil // the garbage collector deletes its pods
	}

	// First the revision: new pods carry its hash as a label.
	current, old, err := c.constructHistory(ctx, ds)
	if err != nil {
		return err
	}
	// Before the pods are counted: news that arrives in between may make the count
	// right, but never the other way round.
	upToDate := c.expect.Satisfied(key)
	r, err := c.newRound(ctx, key, ds, current.Labels[appsv1.DefaultDaemonSetUniqueLabelKey])
	if err != nil {
		return err
	}
	if !upToDate {
		return r.updateStatus(ctx, ds.Status.ObservedGeneration) // nothing was done about this generation yet
	}

	err = r.manage(ctx)
	// manage sets expectations if it did anything. Then replacing pods has to wait, or its
	// limits would be kept by what the cache shows and not by what there is.
	if err == nil && c.expect.Satisfied(key) && ds.Spec.UpdateStrategy.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		err = r.rollingUpdate(ctx)
	}
	if err == nil {
		err = c.cleanupHistory(ctx, ds, old, r.pods)
	}
	return errors.Join(err, r.updateStatus(ctx, ds.Generation))
}
