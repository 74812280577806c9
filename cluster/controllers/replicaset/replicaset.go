// Package replicaset keeps the right number of pods alive for every ReplicaSet and,
// through a small adapter, for every ReplicationController.
//
// It is the plainest of all control loops and a good one to read first: count the
// pods that are ours, compare with what is asked for, make or delete the difference,
// write down what was found. It reacts to pods as well as to ReplicaSets, and treats
// "someone deleted a pod" and "someone asked for one more" alike.
//
// Behaviour, events and status follow pkg/controller/replicaset of Kubernetes 1.37.
package replicaset

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/controllers/loop"
	"noriter.dev/noriter/cluster/controllers/podset"
	"noriter.dev/noriter/cluster/trace"
)

// burst is the most pods made or deleted for one ReplicaSet in one go; the rest
// follow when these have been seen. Others get their turn in between.
const burst = 500

// Controller is the loop for one kind.
type Controller struct {
	kind   kind
	pods   cache.Indexer
	make   podset.Control
	expect *podset.Expectations
	loop   *loop.Loop
	clock  clock.WithTicker
}

// New prepares the loop for ReplicaSets. The informers must be started afterwards.
func New(client kubernetes.Interface, factory informers.SharedInformerFactory, events record.EventRecorder, clk clock.WithTicker) (*Controller, error) {
	return newController(replicaSets(client, factory), client, factory, events, clk)
}

// NewForReplicationControllers prepares the same loop for ReplicationControllers.
func NewForReplicationControllers(client kubernetes.Interface, factory informers.SharedInformerFactory, events record.EventRecorder, clk clock.WithTicker) (*Controller, error) {
	return newController(replicationControllers(client, factory), client, factory, events, clk)
}

func newController(k kind, client kubernetes.Interface, factory informers.SharedInformerFactory, events record.EventRecorder, clk clock.WithTicker) (*Controller, error) {
	pods := factory.Core().V1().Pods().Informer()
	if err := podset.Index(pods); err != nil {
		return nil, err
	}
	c := &Controller{
		kind: k, pods: pods.GetIndexer(), clock: clk,
		make:   podset.Control{Client: client, Events: events},
		expect: podset.NewExpectations(clk),
	}
	c.loop = loop.New(k.name, clk, c.sync)
	if err := c.watch(k.informer, pods); err != nil {
		return nil, err
	}
	return c, nil
}

// Run works until ctx ends. The informers' caches must have been filled.
func (c *Controller) Run(ctx context.Context, workers int) { c.loop.Run(ctx, workers) }

// sync brings the number of pods of one ReplicaSet closer to what it asks for.
func (c *Controller) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return fmt.Errorf("reading key %q: %w", key, err)
	}
	rs, err := c.kind.get(namespace, name)
	if apierrors.IsNotFound(err) {
		c.expect.Forget(key)
		return nil // its pods are the garbage collector's business
	}
	if err != nil {
		return fmt.Errorf("reading %s %s: %w", c.kind.gvk.Kind, key, err)
	}
	selector, err := metav1.LabelSelectorAsSelector(rs.Spec.Selector)
	if err != nil {
		trace.Decide(ctx, c.object(rs), "ignored", "its selector can't be understood", "error", err.Error())
		return nil // trying again would not help; a change of it comes as an event
	}

	// Before the pods are counted: news that arrives in between may make the count
	// right, but never the other way round.
	upToDate := c.expect.Satisfied(key)
	active, terminating, err := c.ownPods(ctx, rs, selector)
	if err != nil {
		return err
	}
	var manageErr error
	if upToDate && rs.DeletionTimestamp == nil {
		manageErr = c.manage(ctx, key, rs, active)
	}

	now := c.clock.Now()
	if err := c.updateStatus(ctx, rs, active, terminating, manageErr, now); err != nil {
		return err
	}
	if manageErr != nil {
		return manageErr
	}
	// A pod becomes available minReadySeconds after it became ready, and no event
	// tells of that: look again then.
	if wait, ok := podset.NextAvailable(active, rs.Spec.MinReadySeconds, now); ok {
		c.loop.AddAfter(rs, wait)
	}
	return nil
}

// ownPods returns the pods that count, and those on their way out. It adopts and
// releases pods on the way.
func (c *Controller) ownPods(ctx context.Context, rs *appsv1.ReplicaSet, selector labels.Selector) (active, terminating []*v1.Pod, err error) {
	controlled, err := podset.Controlled(c.pods, rs.UID)
	if err != nil {
		return nil, nil, err
	}
	orphans, err := podset.Orphans(c.pods, rs.Namespace)
	if err != nil {
		return nil, nil, err
	}
	candidates := make([]*v1.Pod, 0, len(controlled))
	for _, pod := range append(controlled, orphans...) {
		switch {
		case podset.IsActive(pod):
			candidates = append(candidates, pod)
		case podset.IsTerminating(pod) && metav1.IsControlledBy(pod, rs) && selector.Matches(labels.Set(pod.Labels)):
			terminating = append(terminating, pod)
		}
	}
	claim := podset.Claim[*v1.Pod]{
		Owner: rs, Kind: c.kind.gvk, Selector: selector, Patch: c.make.Patch,
		Fresh: func(ctx context.Context) (metav1.Object, error) { return c.kind.fresh(ctx, rs.Namespace, rs.Name) },
	}
	active, err = claim.Objects(ctx, candidates)
	return active, terminating, err
}

// manage makes or deletes pods, if there are too few or too many.
func (c *Controller) manage(ctx context.Context, key string, rs *appsv1.ReplicaSet, active []*v1.Pod) error {
	switch missing := int(*rs.Spec.Replicas) - len(active); {
	case missing > 0:
		return c.create(ctx, key, rs, len(active), min(missing, burst))
	case missing < 0:
		return c.delete(ctx, key, rs, active, min(-missing, burst))
	}
	return nil
}

func (c *Controller) create(ctx context.Context, key string, rs *appsv1.ReplicaSet, have, count int) error {
	trace.Decide(ctx, c.object(rs), fmt.Sprintf("creating %d pods", count),
		fmt.Sprintf("%d of %d replicas exist", have, *rs.Spec.Replicas))
	c.expect.Expect(key, count)
	ref := metav1.NewControllerRef(rs, c.kind.gvk)
	created, err := podset.SlowStart(count, func() error {
		err := c.make.Create(ctx, &rs.Spec.Template, rs, ref)
		if err != nil && podset.NamespaceEnding(err) {
			return nil // nothing can be made here any more, and nothing needs to be
		}
		return err
	})
	// What was not made will not be seen either. These pods are made next time.
	for range count - created {
		c.expect.Created(key)
	}
	return err
}

func (c *Controller) delete(ctx context.Context, key string, rs *appsv1.ReplicaSet, active []*v1.Pod, count int) error {
	related, err := c.relatedPods(rs)
	if err != nil {
		return err
	}
	victims := chooseVictims(active, related, count, c.clock.Now())
	uids := make([]types.UID, len(victims))
	for i, v := range victims {
		uids[i] = v.pod.UID
		trace.Decide(ctx, trace.For(v.pod), "to be deleted",
			fmt.Sprintf("%s %s has %d replicas and wants %d: %s", c.kind.gvk.Kind, rs.Name, len(active), *rs.Spec.Replicas, v.why))
	}
	c.expect.Expect(key, 0, uids...)
	failures := podset.InParallel(len(victims), func(i int) error {
		err := c.make.Delete(ctx, victims[i].pod, rs)
		if err != nil {
			c.expect.Deleted(key, uids[i]) // no news of it will come
		}
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
	if len(failures) > 0 {
		return failures[0] // they are mostly alike, and each has its event
	}
	return nil
}

// relatedPods are the active pods of all ReplicaSets with the same controller: for a
// Deployment's ReplicaSet, those of all its revisions. Which node has too many of
// them is judged together.
func (c *Controller) relatedPods(rs *appsv1.ReplicaSet) ([]*v1.Pod, error) {
	siblings := []*appsv1.ReplicaSet{rs}
	if ref := metav1.GetControllerOfNoCopy(rs); ref != nil {
		all, err := c.kind.list(rs.Namespace)
		if err != nil {
			return nil, err
		}
		for _, other := range all {
			if r := metav1.GetControllerOfNoCopy(other); r != nil && r.UID == ref.UID && other.UID != rs.UID {
				siblings = append(siblings, other)
			}
		}
	}
	var related []*v1.Pod
	for _, sibling := range siblings {
		pods, err := podset.Controlled(c.pods, sibling.UID)
		if err != nil {
			return nil, err
		}
		for _, pod := range pods {
			if podset.IsActive(pod) {
				related = append(related, pod)
			}
		}
	}
	return related, nil
}

func (c *Controller) object(rs *appsv1.ReplicaSet) trace.Object {
	o := trace.For(rs)
	o.Kind = c.kind.gvk.Kind
	return o
}

func (c *Controller) updateStatus(ctx context.Context, rs *appsv1.ReplicaSet, active, terminating []*v1.Pod, manageErr error, now time.Time) error {
	status := newStatus(rs, active, manageErr, now)
	if c.kind.countsTerminating {
		status.TerminatingReplicas = ptr.To(int32(len(terminating)))
	}
	if sameStatus(rs, status) {
		return nil
	}
	updated := rs.DeepCopy()
	updated.Status = status
	updated.Status.ObservedGeneration = rs.Generation // the one acted upon
	if err := c.kind.updateStatus(ctx, updated); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("writing the status of %s %s/%s: %w", c.kind.gvk.Kind, rs.Namespace, rs.Name, err)
	}
	return nil
}
