package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"noriter.dev/noriter/cluster/trace"
)

const (
	// A search for feasible nodes goes on until it has this many, or this share of the
	// cluster. More to choose from would hardly make the choice better, and every pod
	// would wait for it. (Both upstream's, in pkg/scheduler/schedule_one.go.)
	minFeasibleNodesToFind           = 100 // nodes
	minFeasibleNodesPercentageToFind = 5   // percent of all nodes

	// maxTracedScores is how many scores a decision record lists. With thousands, each
	// pod would fill a page of the journal.
	maxTracedScores = 10

	// maxEventNote is the longest note of an event, in bytes (NoteLengthLimit in
	// upstream's pkg/apis/core/validation/events.go). The API server rejects longer ones.
	maxEventNote = 1024
)

// scheduleOne finds a node for the next pod. It is false when ctx has ended. There is
// one loop and no second one beside it: each decision has to see the one before.
// (Upstream's pkg/scheduler/schedule_one.go.)
func (s *Scheduler) scheduleOne(ctx context.Context) bool {
	p := s.queue.pop(ctx)
	if p == nil {
		return false
	}
	pod := p.pod
	if s.cache.isAssumedPod(pod.UID) {
		return true // decided already; the watch has yet to show it
	}

	node, err := s.schedulePod(ctx, pod)
	if err != nil {
		s.handleSchedulingFailure(ctx, p, pod, err)
		return true
	}

	// From here on the pod takes room on the node, for all pods after it. To tell the
	// API server takes a while, so a goroutine does that, and the next pod is
	// scheduled in the meantime.
	s.cache.assumePod(pod, node)
	s.queue.startBinding(p)
	s.background.Go(func() {
		// The decision is made, so it is written down even if ctx ends now.
		if err := s.bind(context.WithoutCancel(ctx), pod, node); err != nil {
			s.cache.forgetPod(pod.UID)
			s.handleSchedulingFailure(ctx, p, pod, err)
			s.queue.moveAllToActiveOrBackoffQueue(assignedPodDelete) // the room is free again
		}
	})
	return true
}

// schedulePod returns the best node for a pod, or an error that says why there is none.
func (s *Scheduler) schedulePod(ctx context.Context, pod *v1.Pod) (string, error) {
	began := time.Now()
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	if len(s.cache.sorted) == 0 {
		return "", errNoNodesAvailable
	}
	c := newCycleState(pod, s.cache.sorted, s.namespaceLabels)

	feasible, fit := s.findNodesThatPassFilters(c)
	if len(feasible) == 0 {
		fit.postFilterMsg = s.preempt(ctx, c, fit)
		return "", fit
	}
	totals := prioritizeNodes(c, feasible)
	best := selectHost(totals)

	why := fmt.Sprintf("highest score of %d feasible nodes", len(feasible))
	if len(feasible) == 1 {
		why = "the only feasible node"
	}
	trace.Decide(ctx, trace.For(pod), "assigned to "+feasible[best].name, why,
		"nodes", len(c.nodes), "scores", tracedScores(feasible, totals, best),
		"refused", fit.countReasons(), "took", time.Since(began).String())
	return feasible[best].name, nil
}

// nodeNotNamed is why a node was not even looked at: the pod's affinity names others.
var nodeNotNamed = unresolvable("node(s) didn't satisfy plugin(s) [NodeAffinity]")

// findNodesThatPassFilters returns the nodes that can take the pod, and why the others
// can't.
//
// In a large cluster it stops when there are enough to choose from. The search for the
// next pod begins where this one ended, so that all nodes get their share.
func (s *Scheduler) findNodesThatPassFilters(c *cycleState) (feasible []*nodeInfo, fit *fitError) {
	fit = &fitError{numAllNodes: len(c.nodes), nodeToStatus: map[string]*status{}}
	named := nodeAffinityNames(c.pod)
	enough := numFeasibleNodesToFind(len(c.nodes))
	processed := 0
	for ; processed < len(c.nodes) && len(feasible) < enough; processed++ {
		n := c.nodes[(s.nextStartNodeIndex+processed)%len(c.nodes)]
		if named != nil && !named[n.name] {
			fit.nodeToStatus[n.name] = nodeNotNamed
			fit.requeueOn |= nodeAdd // the named node may come yet
			continue
		}
		st, by := c.runFilterPlugins(s.cache.withNominatedPods(n, c.pod))
		if st == nil {
			feasible = append(feasible, n)
			continue
		}
		fit.nodeToStatus[n.name] = st
		fit.requeueOn |= by.requeueOn
	}
	s.nextStartNodeIndex = (s.nextStartNodeIndex + processed) % len(c.nodes)
	return feasible, fit
}

// numFeasibleNodesToFind is how many feasible nodes are enough: all of up to 100, and
// of more a share that falls from 50 % to 5 % as the cluster grows to 5,625 nodes.
func numFeasibleNodesToFind(numAllNodes int) int {
	if numAllNodes < minFeasibleNodesToFind {
		return numAllNodes
	}
	percentage := max(minFeasibleNodesPercentageToFind, 50-numAllNodes/125)
	return max(minFeasibleNodesToFind, numAllNodes*percentage/100)
}

// prioritizeNodes gives each node the sum of its scores, each times its weight.
func prioritizeNodes(c *cycleState, nodes []*nodeInfo) []float64 {
	totals := make([]float64, len(nodes))
	for i := range plugins {
		if plugins[i].score == nil {
			continue
		}
		for j, score := range plugins[i].score(c, nodes) {
			totals[j] += plugins[i].weight * score
		}
	}
	return totals
}

// selectHost picks one of those with the highest score at random. A fixed choice would
// send all pods of a burst to the same node, as long as the scores don't tell them
// apart.
func selectHost(scores []float64) int {
	best, ties := 0, 0
	for i, score := range scores {
		switch {
		case i == 0 || score > scores[best]:
			best, ties = i, 1
		case score == scores[best]:
			// The n-th of the ties replaces the choice with a chance of 1/n. In the
			// end each of them has the same chance, and none had to be remembered.
			ties++
			if rand.IntN(ties) == 0 {
				best = i
			}
		}
	}
	return best
}

// tracedScores are the scores that the decision record lists: the first few, and the
// winner's in any case.
func tracedScores(nodes []*nodeInfo, totals []float64, best int) map[string]int {
	scores := make(map[string]int, min(len(nodes), maxTracedScores))
	for i, n := range nodes {
		if len(scores) < maxTracedScores || i == best {
			scores[n.name] = int(totals[i])
		}
	}
	return scores
}

// handleSchedulingFailure puts the pod back into the queue, and tells the user why it
// has no node: by an event, and by the pod's condition.
func (s *Scheduler) handleSchedulingFailure(ctx context.Context, p *queuedPodInfo, pod *v1.Pod, err error) {
	var fit *fitError
	switch {
	case apierrors.IsNotFound(err):
		return // deleted in the meantime; the watch removes it from the queue
	case errors.As(err, &fit):
		s.queue.addUnschedulable(p, fit.requeueOn)
	case errors.Is(err, errNoNodesAvailable):
		s.queue.addUnschedulable(p, nodeAdd)
	default:
		slog.Warn("scheduling failed, will try again", "pod", pod.Namespace+"/"+pod.Name, "error", err)
		s.queue.addErrored(p)
	}
	trace.Decide(ctx, trace.For(pod), "no node found", err.Error(), "attempt", p.attempts)
	s.events.Eventf(pod, nil, v1.EventTypeWarning, "FailedScheduling", "Scheduling", "%s", truncateMessage(err.Error()))
	if err := s.patchPodScheduledCondition(ctx, pod, reasonOf(err), err.Error()); err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) {
		slog.Error("writing why a pod has no node", "pod", pod.Namespace+"/"+pod.Name, "error", err)
	}
}

// truncateMessage cuts a message to what an event can hold. The condition has all of it.
func truncateMessage(message string) string {
	const end = " ..."
	if len(message) <= maxEventNote {
		return message
	}
	return message[:maxEventNote-len(end)] + end
}
