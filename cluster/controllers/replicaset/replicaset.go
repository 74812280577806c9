// Package replicaset keeps the right number of pods alive for every ReplicaSet and,
// through a small adapter, for every ReplicationController.
//
// It is the plainest of all control loops and a good one to read first: count the
// pods that are ours, compare with what is asked for, make or delete the difference,
// write down what was found. It reacts to pods as well as to ReplicaSets, and treats
// "someone deleted a pod" and "someone asked for one more" alike.
//
// What it shares with the other controllers of pods is in podset: which pods are its
// own, and not acting twice on the same news.
//
// Behaviour, events and status follow pkg/controller/replicaset of Kubernetes 1.37.
package replicaset

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/controllers/loop"
	"noriter.dev/noriter/cluster/controllers/podset"
	"noriter.dev/noriter/cluster/trace"
)

// burst is the most pods made or deleted for one ReplicaSet in one go; the rest
// follow when these have been seen. Others get their turn in between. The value is
// upstream's BurstReplicas.
const burst = 500

// Controller is the loop for one kind. It has no state of its own but for the queue and
// the expectations: everything else is read from the cache in each sync, and a process
// that starts anew goes on where the last one stopped.
type Controller struct {
	kind       kind
	pods       cache.Indexer // of all pods, found by owner
	podControl podset.PodControl
	expect     *podset.Expectations
	loop       *loop.Loop
	clock      clock.WithTicker
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
	// The informers are shared: asking for that of pods starts no second watch.
	pods, expect := factory.Core().V1().Pods().Informer(), podset.NewExpectations(clk)
	if err := podset.IndexByController(pods); err != nil {
		return nil, err
	}
	c := &Controller{
		kind: k, pods: pods.GetIndexer(), expect: expect, clock: clk,
		podControl: podset.PodControl{Client: client, Events: events, Kind: k.owners.Kind, Expect: expect},
	}
	c.loop = loop.New(k.name, clk, c.sync)
	handlers := podset.Handlers[*appsv1.ReplicaSet]{Owners: k.owners, Loop: c.loop, Expect: expect}
	if err := errors.Join(loop.Watch(k.informer, handlers.ForOwners()), loop.Watch(pods, handlers.ForDependents())); err != nil {
		return nil, fmt.Errorf("watching %s and their pods: %w", k.owners.Kind.Kind, err)
	}
	return c, nil
}

// Run works until ctx ends. The informers' caches must have been filled.
func (c *Controller) Run(ctx context.Context, workers int) { c.loop.Run(ctx, workers) }

// sync brings the number of pods of one ReplicaSet closer to what it asks for
// (upstream's syncReplicaSet). It makes requests and does not wait for what comes of
// them: each pod that appears or goes is an event, and brings us here again.
func (c *Controller) sync(ctx context.Context, key string) error {
	rs, err := c.kind.owners.ByKey(key)
	if apierrors.IsNotFound(err) {
		c.expect.Forget(key)
		return nil // its pods are the garbage collector's business
	}
	if err != nil {
		return err
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
		manageErr = c.manageReplicas(ctx, key, rs, active)
	}

	// The status is written even if managing failed: it says that it did.
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

// ownPods returns the pods that count, and those on their way out (upstream's claimPods
// and FilterTerminatingPods). It adopts and releases pods on the way. Pods that have ended
// are not looked at: they are no replicas. They stay, so that their logs can be read, until
// their owner is deleted or pod GC takes them.
func (c *Controller) ownPods(ctx context.Context, rs *appsv1.ReplicaSet, selector labels.Selector) (active, terminating []*v1.Pod, err error) {
	all, err := podset.Candidates(c.pods, rs)
	if err != nil {
		return nil, nil, err
	}
	candidates := make([]*v1.Pod, 0, len(all))
	for _, pod := range all {
		switch {
		case podset.IsActive(pod):
			candidates = append(candidates, pod)
		case podset.IsTerminating(pod) && metav1.IsControlledBy(pod, rs) && selector.Matches(labels.Set(pod.Labels)):
			terminating = append(terminating, pod)
		}
	}
	active, err = podset.Claim(ctx, c.kind.owners, rs, candidates, c.podControl.Client.CoreV1().Pods)
	return active, terminating, err
}

// manageReplicas makes or deletes pods, if there are too few or too many (upstream's
// function of the same name). Never both: a pod that is broken and not ended counts, and
// it is its agent that restarts its containers.
func (c *Controller) manageReplicas(ctx context.Context, key string, rs *appsv1.ReplicaSet, active []*v1.Pod) error {
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
	c.expect.Expect(key, count, nil) // before the first request: the watch may be quicker than the answer
	return c.podControl.CreateAll(ctx, rs, count, func(int) *v1.PodTemplateSpec { return &rs.Spec.Template })
}

func (c *Controller) delete(ctx context.Context, key string, rs *appsv1.ReplicaSet, active []*v1.Pod, count int) error {
	related, err := c.relatedPods(rs)
	if err != nil {
		return err
	}
	var pods []*v1.Pod
	for _, chosen := range podsToDelete(active, related, count, c.clock.Now()) {
		trace.Decide(ctx, trace.For(chosen.pod), "to be deleted",
			fmt.Sprintf("%s %s has %d replicas and wants %d: %s", c.kind.owners.Kind.Kind, rs.Name, len(active), *rs.Spec.Replicas, chosen.why))
		pods = append(pods, chosen.pod)
	}
	c.expect.Expect(key, 0, pods)
	if failures := c.podControl.DeleteAll(ctx, rs, pods); len(failures) > 0 {
		return failures[0] // they are mostly alike, and each has its event
	}
	return nil
}

// relatedPods are the active pods of all ReplicaSets with the same controller
// (upstream's getIndirectlyRelatedPods): for a Deployment's ReplicaSet, those of all its
// revisions. Which node has too many of them is judged together.
func (c *Controller) relatedPods(rs *appsv1.ReplicaSet) ([]*v1.Pod, error) {
	siblings := []*appsv1.ReplicaSet{rs}
	if ref := metav1.GetControllerOfNoCopy(rs); ref != nil {
		all, err := c.kind.owners.List(rs.Namespace)
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

// object names rs in decisions. A ReplicationController that is shown as a ReplicaSet
// is called what it is.
func (c *Controller) object(rs *appsv1.ReplicaSet) trace.Object {
	o := trace.For(rs)
	o.Kind = c.kind.owners.Kind.Kind
	return o
}
