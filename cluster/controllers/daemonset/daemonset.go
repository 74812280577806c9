// Package daemonset runs one pod on every node, or on every node of a kind.
//
// A ReplicaSet counts pods; a DaemonSet goes through the nodes. For each it asks:
// should a pod run here, does one, and is it the right one? It does not place pods
// itself. It makes a pod that can go to one node only, and leaves the rest to the
// scheduler, so that room and order are decided in one place.
//
// Behaviour follows pkg/controller/daemon of Kubernetes 1.37.
package daemonset

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
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/controllers/loop"
	"noriter.dev/noriter/cluster/controllers/podset"
	"noriter.dev/noriter/cluster/trace"
)

var kind = appsv1.SchemeGroupVersion.WithKind("DaemonSet")

// burst is the most pods made or deleted for one DaemonSet in one go.
const burst = 250

// Controller is the loop.
type Controller struct {
	client     kubernetes.Interface
	daemonSets appslisters.DaemonSetLister
	revisions  appslisters.ControllerRevisionLister
	nodes      corelisters.NodeLister
	pods       cache.Indexer
	make       podset.Control
	events     record.EventRecorder
	expect     *podset.Expectations
	// failures makes pods that fail again and again be replaced ever more slowly.
	failures *flowcontrol.Backoff
	loop     *loop.Loop
	clock    clock.WithTicker
}

// New prepares the loop. The informers must be started afterwards.
func New(client kubernetes.Interface, factory informers.SharedInformerFactory, events record.EventRecorder, clk clock.WithTicker) (*Controller, error) {
	sets, nodes := factory.Apps().V1().DaemonSets(), factory.Core().V1().Nodes()
	revisions, pods := factory.Apps().V1().ControllerRevisions(), factory.Core().V1().Pods().Informer()
	if err := podset.Index(pods); err != nil {
		return nil, err
	}
	revisions.Informer() // so that the factory starts it
	c := &Controller{
		client: client, daemonSets: sets.Lister(), revisions: revisions.Lister(), nodes: nodes.Lister(), pods: pods.GetIndexer(),
		make: podset.Control{Client: client, Events: events}, events: events, clock: clk,
		expect: podset.NewExpectations(clk), failures: flowcontrol.NewBackOff(firstRetry, lastRetry),
	}
	c.loop = loop.New("daemonset-controller", clk, c.sync)
	_, errD := sets.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: c.loop.Add,
		UpdateFunc: func(old, obj any) {
			if before, after := old.(*appsv1.DaemonSet), obj.(*appsv1.DaemonSet); before.UID != after.UID {
				c.expect.Forget(after.Namespace + "/" + after.Name)
			}
			c.loop.Add(obj)
		},
		DeleteFunc: c.loop.Add,
	})
	_, errN := nodes.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { c.queueAll() },
		UpdateFunc: func(old, obj any) { c.nodeChanged(old.(*v1.Node), obj.(*v1.Node)) },
		DeleteFunc: func(any) { c.queueAll() },
	})
	if err := errors.Join(errD, errN, c.watchPods(pods)); err != nil {
		return nil, fmt.Errorf("watching daemon sets, their pods and nodes: %w", err)
	}
	return c, nil
}

// Run works until ctx ends. The informers' caches must have been filled.
func (c *Controller) Run(ctx context.Context, workers int) { c.loop.Run(ctx, workers) }

// sync brings the pods of one DaemonSet closer to one on each node that wants one.
func (c *Controller) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return fmt.Errorf("reading key %q: %w", key, err)
	}
	ds, err := c.daemonSets.DaemonSets(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		c.expect.Forget(key)
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading daemon set %s: %w", key, err)
	}
	if equality.Semantic.DeepEqual(ds.Spec.Selector, &metav1.LabelSelector{}) {
		c.events.Event(ds, v1.EventTypeWarning, "SelectingAll", "This daemon set is selecting all pods. A non-empty selector is required.")
		return nil
	}
	if ds.DeletionTimestamp != nil {
		return nil // the garbage collector sees to its pods
	}

	current, old, err := c.history(ctx, ds)
	if err != nil {
		return err
	}
	r := &round{c: c, ds: ds, key: key, hash: current.Labels[appsv1.DefaultDaemonSetUniqueLabelKey], now: c.clock.Now()}
	upToDate := c.expect.Satisfied(key) // before the pods are counted, as in a ReplicaSet
	if err := r.look(ctx); err != nil {
		return err
	}
	if !upToDate {
		return r.writeStatus(ctx, r.ds.Status.ObservedGeneration) // nothing was done about this generation yet
	}

	err = r.manage(ctx)
	if err == nil && c.expect.Satisfied(key) && ds.Spec.UpdateStrategy.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		err = r.roll(ctx) // only where nothing was missing or too many
	}
	if err == nil {
		err = c.prune(ctx, ds, old, r.pods)
	}
	return errors.Join(err, r.writeStatus(ctx, r.ds.Generation))
}

// ownPods returns the DaemonSet's pods, adopting and releasing some on the way.
func (c *Controller) ownPods(ctx context.Context, ds *appsv1.DaemonSet) ([]*v1.Pod, error) {
	selector, err := metav1.LabelSelectorAsSelector(ds.Spec.Selector)
	if err != nil {
		return nil, fmt.Errorf("reading the selector of daemon set %s/%s: %w", ds.Namespace, ds.Name, err)
	}
	controlled, err := podset.Controlled(c.pods, ds.UID)
	if err != nil {
		return nil, err
	}
	orphans, err := podset.Orphans(c.pods, ds.Namespace)
	if err != nil {
		return nil, err
	}
	claim := podset.Claim[*v1.Pod]{
		Owner: ds, Kind: kind, Selector: selector, Patch: c.make.Patch,
		Fresh: func(ctx context.Context) (metav1.Object, error) {
			return c.client.AppsV1().DaemonSets(ds.Namespace).Get(ctx, ds.Name, metav1.GetOptions{})
		},
	}
	return claim.Objects(ctx, append(controlled, orphans...))
}

// apply makes pods for some nodes and deletes others.
func (r *round) apply(ctx context.Context, create []string, remove []*v1.Pod) error {
	create, remove = create[:min(len(create), burst)], remove[:min(len(remove), burst)]
	if len(create)+len(remove) == 0 {
		return nil
	}
	uids := make([]types.UID, len(remove))
	for i, pod := range remove {
		uids[i] = pod.UID
	}
	r.c.expect.Expect(r.key, len(create), uids...)

	ref := metav1.NewControllerRef(r.ds, kind)
	nodes := slices.Clone(create)
	next := make(chan string, len(nodes))
	for _, node := range nodes {
		next <- node
	}
	made, createErr := podset.SlowStart(len(nodes), func() error {
		err := r.c.make.Create(ctx, podTemplate(r.ds, r.hash, <-next), r.ds, ref)
		if err != nil && podset.NamespaceEnding(err) {
			return nil
		}
		return err
	})
	for range len(nodes) - made {
		r.c.expect.Created(r.key) // what was not made will not be seen
	}
	failures := podset.InParallel(len(remove), func(i int) error {
		err := r.c.make.Delete(ctx, remove[i], r.ds)
		if err != nil {
			r.c.expect.Deleted(r.key, uids[i])
		}
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
	return errors.Join(append(failures, createErr)...)
}

func (r *round) decide(ctx context.Context, what, why string, kv ...any) {
	trace.Decide(ctx, trace.For(r.ds), what, why, kv...)
}

func (c *Controller) all() ([]*v1.Node, error) {
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	return nodes, nil
}
