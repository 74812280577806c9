package daemonset

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"noriter.dev/noriter/cluster/controllers/podset"
	"noriter.dev/noriter/cluster/trace"
)

// round is one sync of a DaemonSet: what was found, so that all its parts decide by the
// same facts.
type round struct {
	c    *Controller
	ds   *appsv1.DaemonSet
	key  string // of the DaemonSet in the queue
	hash string // of the current template
	now  time.Time

	nodes []*v1.Node
	pods  []*v1.Pod // all that are the DaemonSet's
	// nodePods are the pods by node (upstream's nodeToDaemonPods), but for those that were
	// to end and have. Of a node's pods, those that are assigned to it come first, and of
	// these the oldest.
	nodePods map[string][]*v1.Pod
}

// newRound reads the nodes and the DaemonSet's pods. It adopts and releases pods on the
// way.
func (c *Controller) newRound(ctx context.Context, key string, ds *appsv1.DaemonSet, hash string) (*round, error) {
	r := &round{c: c, ds: ds, key: key, hash: hash, now: c.clock.Now(), nodePods: map[string][]*v1.Pod{}}
	var err error
	// All nodes, the lost and the cordoned included: whether one counts is the question.
	if r.nodes, err = c.nodes.List(labels.Everything()); err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	candidates, err := podset.Candidates(c.pods, ds)
	if err != nil {
		return nil, err
	}
	if r.pods, err = podset.Claim(ctx, c.daemonSets, ds, candidates, c.client.CoreV1().Pods); err != nil {
		return nil, err
	}
	for _, pod := range r.pods {
		// One that was to end, and has, does not keep its successor from starting.
		if pod.DeletionTimestamp != nil && podset.IsTerminal(pod) {
			continue
		}
		node := targetNode(pod)
		r.nodePods[node] = append(r.nodePods[node], pod)
	}
	for _, pods := range r.nodePods {
		slices.SortFunc(pods, assignedThenOldest)
	}
	return r, nil
}

// assignedThenOldest is the order in which pods of one node are kept (upstream's
// podByCreationTimestampAndPhase).
func assignedThenOldest(a, b *v1.Pod) int {
	waiting := func(p *v1.Pod) int {
		if p.Spec.NodeName == "" {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(waiting(a), waiting(b)), podset.OldestFirst(a, b))
}

// isCurrent is true for a pod of the current template (upstream's IsPodUpdated).
func (r *round) isCurrent(pod *v1.Pod) bool {
	return r.hash != "" && pod.Labels[appsv1.DefaultDaemonSetUniqueLabelKey] == r.hash
}

func (r *round) isAvailable(pod *v1.Pod) bool {
	return podset.IsAvailable(pod, r.ds.Spec.MinReadySeconds, r.now)
}

func (r *round) decide(ctx context.Context, what, why string, kv ...any) {
	trace.Decide(ctx, trace.For(r.ds), what, why, kv...)
}
