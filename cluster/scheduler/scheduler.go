// Package scheduler gives every new pod a node.
//
// It watches pods without a node and takes one at a time: filters rule out the nodes
// that can't have it, scorers compare the rest, and the winner is written down by a
// Binding. That is all a scheduler does; starting the pod is the node's business.
// scheduleOne tells the story.
//
// Reasons, messages and defaults are those of kube-scheduler 1.37.
package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"

	"noriter.dev/noriter/cluster/trace"
)

// Scheduler finds nodes for the pods that name it in spec.schedulerName.
type Scheduler struct {
	name               string
	client             kubernetes.Interface
	events             events.EventRecorder
	queue              *schedulingQueue
	cache              *clusterCache
	namespaces         corelisters.NamespaceLister
	nextStartNodeIndex int            // where the search for feasible nodes goes on
	background         sync.WaitGroup // bindings on their way
	// listed are done when the first lists of pods and nodes have reached queue and
	// cache. Informers call their handlers later than they fill their own stores.
	listed []cache.DoneChecker
}

// run schedules until ctx ends, and then waits for bindings on their way.
func (s *Scheduler) run(ctx context.Context) {
	// Before all nodes and pods are known, pods would be put where there is no room,
	// or called unschedulable.
	if !cache.WaitFor(ctx, "", s.listed...) {
		return
	}
	s.cache.mu.RLock()
	slog.Info("scheduling", "nodes", len(s.cache.sorted), "pods", len(s.cache.pods))
	s.cache.mu.RUnlock()
	for s.scheduleOne(ctx) {
	}
	s.background.Wait()
}

// scheduleOne finds a node for the next pod. It is false when ctx has ended.
func (s *Scheduler) scheduleOne(ctx context.Context) bool {
	e := s.queue.pop(ctx)
	if e == nil {
		return false
	}
	pod := e.pod
	if s.cache.isAssumedPod(pod.UID) {
		return true // decided already; the watch has yet to say so
	}

	node, err := s.schedulePod(ctx, pod)
	if err != nil {
		s.failed(ctx, e, pod, err)
		return true
	}

	// From here on the pod takes up room on the node, for all pods after it. Telling
	// the API server takes a while, so that is left to a goroutine and the next pod
	// is looked at meanwhile.
	s.cache.assumePod(pod, node)
	s.queue.startBinding(e)
	s.background.Go(func() {
		if err := s.bind(context.WithoutCancel(ctx), pod, node); err != nil {
			s.cache.forgetPod(pod.UID)
			s.failed(ctx, e, pod, err)
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

	scores := make(map[string]int, min(len(feasible), 10))
	for i, n := range feasible {
		if len(scores) < 10 || i == best {
			scores[n.name] = int(totals[i])
		}
	}
	why := fmt.Sprintf("highest score of %d feasible nodes", len(feasible))
	if len(feasible) == 1 {
		why = "the only feasible node"
	}
	trace.Decide(ctx, trace.For(pod), "assigned to "+feasible[best].name, why,
		"nodes", len(c.nodes), "scores", scores, "refused", countReasons(fit.nodeToStatus), "took", time.Since(began).String())
	return feasible[best].name, nil
}

// nodeNotNamed is why a node was not looked at: the pod names others.
var nodeNotNamed = unresolvable("node(s) didn't satisfy plugin(s) [NodeAffinity]")

// findNodesThatPassFilters returns the nodes that can have the pod, and why the others
// can't.
//
// In a large cluster it stops when there are enough to choose from, and goes on
// behind them for the next pod, so that all nodes get their share.
func (s *Scheduler) findNodesThatPassFilters(c *cycleState) (feasible []*nodeInfo, fit *fitError) {
	fit = &fitError{numAllNodes: len(c.nodes), nodeToStatus: map[string]*status{}}
	named := nodeAffinityNames(c.pod)
	enough := numFeasibleNodesToFind(len(c.nodes))
	processed := 0
	for ; processed < len(c.nodes) && len(feasible) < enough; processed++ {
		n := c.nodes[(s.nextStartNodeIndex+processed)%len(c.nodes)]
		if named != nil && !named[n.name] {
			fit.nodeToStatus[n.name] = nodeNotNamed
			fit.requeueOn |= nodeAdd
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

// numFeasibleNodesToFind is how many feasible nodes to choose from: all of up to 100, and a
// share that falls from 50 % to 5 % as clusters grow.
func numFeasibleNodesToFind(nodes int) int {
	if nodes < 100 {
		return nodes
	}
	return max(100, nodes*max(5, 50-nodes/125)/100)
}

// selectHost picks one of those with the highest score at random: a fixed choice would
// send all pods of a burst to the same node.
func selectHost(scores []float64) int {
	best, ties := 0, 0
	for i, score := range scores {
		switch {
		case i == 0 || score > scores[best]:
			best, ties = i, 1
		case score == scores[best]:
			ties++
			if rand.IntN(ties) == 0 { // each of the ties has the same chance
				best = i
			}
		}
	}
	return best
}

func countReasons(nodeToStatus map[string]*status) map[string]int {
	counts := map[string]int{}
	for _, st := range nodeToStatus {
		for _, reason := range st.reasons {
			counts[reason]++
		}
	}
	return counts
}

// bind tells the API server. The pod's node can be set only so, and only once.
func (s *Scheduler) bind(ctx context.Context, pod *v1.Pod, node string) error {
	ctx, cancel := context.WithTimeout(ctx, bindTimeout)
	defer cancel()
	binding := &v1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     v1.ObjectReference{Kind: "Node", Name: node},
	}
	if err := s.client.CoreV1().Pods(pod.Namespace).Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("binding pod %s/%s to node %s: %w", pod.Namespace, pod.Name, node, err)
	}
	s.events.Eventf(pod, nil, v1.EventTypeNormal, "Scheduled", "Binding", "Successfully assigned %v/%v to %v", pod.Namespace, pod.Name, node)
	return nil
}

// failed puts the pod back and tells the user why it has no node.
func (s *Scheduler) failed(ctx context.Context, e *queuedPodInfo, pod *v1.Pod, err error) {
	var fit *fitError
	switch {
	case apierrors.IsNotFound(err):
		return // deleted meanwhile; the watch will say so
	case errors.As(err, &fit):
		s.queue.addUnschedulable(e, fit.requeueOn)
	case errors.Is(err, errNoNodesAvailable):
		s.queue.addUnschedulable(e, nodeAdd)
	default:
		slog.Warn("scheduling failed, will try again", "pod", pod.Namespace+"/"+pod.Name, "error", err)
		s.queue.addErrored(e)
	}
	trace.Decide(ctx, trace.For(pod), "no node found", err.Error(), "attempt", e.attempts)
	s.events.Eventf(pod, nil, v1.EventTypeWarning, "FailedScheduling", "Scheduling", "%s", shortened(err.Error()))
	if err := s.setUnschedulable(ctx, pod, reasonOf(err), err.Error()); err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) {
		slog.Error("writing why a pod has no node", "pod", pod.Namespace+"/"+pod.Name, "error", err)
	}
}

// shortened cuts a message to what an event can hold.
func shortened(message string) string {
	const limit, end = 1024, " ..."
	if len(message) <= limit {
		return message
	}
	return message[:limit-len(end)] + end
}

func (s *Scheduler) namespaceLabels(name string) map[string]string {
	namespace, err := s.namespaces.Get(name)
	if err != nil {
		return nil // gone, or not known yet: it matches no selector
	}
	return namespace.Labels
}
