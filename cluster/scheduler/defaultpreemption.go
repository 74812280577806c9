package scheduler

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"

	"noriter.dev/noriter/cluster/trace"
)

// preemptionCandidate is a node that could take the pod if its victims left.
type preemptionCandidate struct {
	node    *nodeInfo
	victims []*podInfo // most important first
}

// preempt looks for pods of lower priority that leave enough room if they end, and ends
// them. The pod itself is not placed now: victims may take their time to stop, and it
// is tried again when they are gone. What it returns becomes the end of the
// FailedScheduling message. (The plugin DefaultPreemption, upstream's PostFilter in
// framework/plugins/defaultpreemption, and pkg/scheduler/framework/preemption.)
//
// Disruption budgets are not looked at; upstream, too, breaks them if there is no other
// way. Upstream also looks at a sample of the nodes only, in large clusters.
func (s *Scheduler) preempt(ctx context.Context, c *cycleState, fit *fitError) string {
	if why := s.notEligibleToPreempt(c); why != "" {
		return why
	}
	var candidates []preemptionCandidate
	reasons := map[string]int{} // to the number of nodes
	for _, n := range c.nodes {
		if st := fit.nodeToStatus[n.name]; st != nil && st.unresolvable {
			reasons["Preemption is not helpful for scheduling"]++
			continue
		}
		victims := selectVictimsOnNode(c, n)
		if len(victims) == 0 {
			reasons["No preemption victims found for incoming pod"]++
			continue
		}
		candidates = append(candidates, preemptionCandidate{n, victims})
	}
	if len(candidates) == 0 {
		return noNodeAvailable(len(c.nodes), reasons)
	}
	best := slices.MinFunc(candidates, compareHarm)
	s.prepareCandidateAsync(ctx, c.pod, best)
	return fmt.Sprintf("found a potential placement for pod on node %v, preempting %d victims", best.node.name, len(best.victims))
}

// notEligibleToPreempt says why the pod must not preempt others, or "" if it may.
// (PodEligibleToPreemptOthers upstream.)
func (s *Scheduler) notEligibleToPreempt(c *cycleState) string {
	if c.pod.Spec.PreemptionPolicy != nil && *c.pod.Spec.PreemptionPolicy == v1.PreemptNever {
		return "not eligible due to preemptionPolicy=Never."
	}
	nominated := s.cache.nodes[c.pod.Status.NominatedNodeName]
	if nominated == nil {
		return ""
	}
	for _, p := range nominated.pods {
		// Its victims have not left yet. A second attempt must not take more of them,
		// on this node or another.
		if p.pod.DeletionTimestamp != nil && podPriority(p.pod) < podPriority(c.pod) {
			return "not eligible due to a terminating pod on the nominated node."
		}
	}
	return ""
}

// selectVictimsOnNode returns the pods of lower priority that have to leave a node, as
// few as possible; nil if the pod does not fit even without all of them.
func selectVictimsOnNode(c *cycleState, n *nodeInfo) []*podInfo {
	var lower []*podInfo
	for _, p := range n.pods {
		if podPriority(p.pod) < podPriority(c.pod) {
			lower = append(lower, p)
		}
	}
	if len(lower) == 0 || !fitsWithout(c, n, lower) {
		return nil
	}
	// Without all of them the pod fits. Now spare one after the other, as long as it
	// still fits: first those of higher priority, and of these the ones that have run
	// for longer.
	slices.SortFunc(lower, func(a, b *podInfo) int {
		return cmp.Or(cmp.Compare(podPriority(b.pod), podPriority(a.pod)), startTime(a.pod).Compare(startTime(b.pod)))
	})
	victims := slices.Clone(lower)
	for _, p := range lower {
		others := slices.DeleteFunc(slices.Clone(victims), func(v *podInfo) bool { return v == p })
		if fitsWithout(c, n, others) {
			victims = others
		}
	}
	return victims
}

// fitsWithout asks the filters about the cluster as it would be then. All that they
// count over all nodes is counted again, as the leaving pods may be part of it.
func fitsWithout(c *cycleState, n *nodeInfo, leaving []*podInfo) bool {
	without := n.without(leaving)
	nodes := slices.Clone(c.nodes)
	nodes[slices.Index(nodes, n)] = without
	st, _ := newCycleState(c.pod, nodes, c.namespaceLabels).runFilterPlugins(without)
	return st == nil
}

// compareHarm is negative if a does less harm than b: the most important victim is less
// important, then the sum of priorities is smaller, then there are fewer victims, then
// they have run for a shorter time. (pickOneNodeForPreemption upstream.)
func compareHarm(a, b preemptionCandidate) int {
	return cmp.Or(
		cmp.Compare(podPriority(a.victims[0].pod), podPriority(b.victims[0].pod)),
		cmp.Compare(sumPriorities(a.victims), sumPriorities(b.victims)),
		cmp.Compare(len(a.victims), len(b.victims)),
		startTime(b.victims[0].pod).Compare(startTime(a.victims[0].pod)),
	)
}

func sumPriorities(victims []*podInfo) int64 {
	total := int64(0)
	for _, v := range victims {
		// Priorities are 32-bit numbers and may be negative. With 2^31 added none is,
		// and more victims never make a smaller sum.
		total += int64(podPriority(v.pod)) + 1<<31
	}
	return total
}

// podPriority is 0 for a pod without a priority class.
func podPriority(pod *v1.Pod) int32 { return corev1helpers.PodPriority(pod) }

// startTime is when the pod started, or was created if it has not started yet.
func startTime(pod *v1.Pod) time.Time {
	if pod.Status.StartTime != nil {
		return pod.Status.StartTime.Time
	}
	return pod.CreationTimestamp.Time
}

// prepareCandidateAsync ends the victims, and writes down for which node the pod waits.
// It does so in the background: the cache is locked while a pod is scheduled, and the
// requests would make all others wait. (Upstream's framework/preemption/executor.go.)
func (s *Scheduler) prepareCandidateAsync(ctx context.Context, pod *v1.Pod, chosen preemptionCandidate) {
	node := chosen.node.name
	// Copied under the lock: the goroutine must not read the cache's own entries.
	victims := make([]*v1.Pod, len(chosen.victims))
	for i, v := range chosen.victims {
		victims[i] = v.pod
	}
	trace.Decide(ctx, trace.For(pod), "preempting on "+node, fmt.Sprintf("no node has room, and %d pods of lower priority are there", len(victims)))
	s.background.Go(func() {
		// The preemption is decided, so it is carried out even if ctx ends now.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bindTimeout)
		defer cancel()
		// The node first: once the victims leave, other pods may take the room that
		// nobody is nominated for.
		if err := s.patchPodStatus(ctx, pod, v1.PodStatus{NominatedNodeName: node}); err != nil && !apierrors.IsNotFound(err) {
			slog.Error("nominating a node", "pod", pod.Namespace+"/"+pod.Name, "node", node, "error", err)
		}
		for _, victim := range victims {
			s.preemptPod(ctx, pod, victim, node)
		}
	})
}

// preemptPod marks one victim with the reason for its end, and deletes it. The mark is
// for its owner: a Job, for example, need not count this as a failure (KEP-3329).
func (s *Scheduler) preemptPod(ctx context.Context, preemptor, victim *v1.Pod, node string) {
	log := slog.With("pod", victim.Namespace+"/"+victim.Name)
	err := s.patchPodStatus(ctx, victim, v1.PodStatus{Conditions: []v1.PodCondition{{
		Type: v1.DisruptionTarget, Status: v1.ConditionTrue, Reason: v1.PodReasonPreemptionByScheduler,
		Message:            fmt.Sprintf("%s: preempting to accommodate a higher priority pod", s.name),
		ObservedGeneration: victim.Generation, LastTransitionTime: metav1.Now(),
	}}})
	if err != nil && !apierrors.IsNotFound(err) {
		log.Error("marking a pod that will be preempted", "error", err)
	}
	// The UID makes sure that it is this pod, and not a new one of the same name.
	err = s.client.CoreV1().Pods(victim.Namespace).Delete(ctx, victim.Name, *metav1.NewPreconditionDeleteOptions(string(victim.UID)))
	switch {
	case apierrors.IsNotFound(err) || apierrors.IsConflict(err): // gone already
	case err != nil:
		log.Error("preempting", "error", err)
	default:
		s.events.Eventf(victim, preemptor, v1.EventTypeNormal, "Preempted", "Preempting", "Preempted by pod %v on node %v", preemptor.UID, node)
	}
}
