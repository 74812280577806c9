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

// candidate is a node that would have the pod if some others left.
type candidate struct {
	node    *nodeInfo
	victims []*podInfo // most important first
}

// preempt looks for pods of lower priority whose end would make room, and ends them.
// The pod itself waits: it is tried again when they are gone. What it returns
// becomes the end of the FailedScheduling message.
//
// Disruption budgets are not looked at; upstream only prefers not to break them.
func (s *Scheduler) preempt(ctx context.Context, c *cycle, fit *noFit) string {
	if c.pod.Spec.PreemptionPolicy != nil && *c.pod.Spec.PreemptionPolicy == v1.PreemptNever {
		return "not eligible due to preemptionPolicy=Never."
	}
	if s.victimsLeaving(c) {
		return "not eligible due to a terminating pod on the nominated node."
	}
	var candidates []candidate
	var reasons []string
	for _, n := range c.nodes {
		if final(fit.refusals[n.name]) {
			reasons = append(reasons, "Preemption is not helpful for scheduling")
			continue
		}
		victims := victimsOn(c, n)
		if len(victims) == 0 {
			reasons = append(reasons, "No preemption victims found for incoming pod")
			continue
		}
		candidates = append(candidates, candidate{n, victims})
	}
	if len(candidates) == 0 {
		return available(len(c.nodes), reasons)
	}
	chosen := slices.MinFunc(candidates, lessHarm)
	s.evict(ctx, c.pod, chosen)
	return fmt.Sprintf("found a potential placement for pod on node %v, preempting %d victims", chosen.node.name, len(chosen.victims))
}

// victimsLeaving is true if pods were evicted for this pod and have not left yet.
func (s *Scheduler) victimsLeaving(c *cycle) bool {
	nominated := s.cache.nodes[c.pod.Status.NominatedNodeName]
	if nominated == nil {
		return false
	}
	for _, p := range nominated.pods {
		if p.pod.DeletionTimestamp != nil && podPriority(p.pod) < podPriority(c.pod) {
			return true
		}
	}
	return false
}

// victimsOn returns the fewest pods of lower priority that have to leave a node, nil
// if even without all of them the pod would not fit.
func victimsOn(c *cycle, n *nodeInfo) []*podInfo {
	var lower []*podInfo
	for _, p := range n.pods {
		if podPriority(p.pod) < podPriority(c.pod) {
			lower = append(lower, p)
		}
	}
	if len(lower) == 0 || !fitsWithout(c, n, lower) {
		return nil
	}
	// Let them stay one by one, the most important first, as long as the pod fits.
	slices.SortFunc(lower, func(a, b *podInfo) int {
		return cmp.Or(cmp.Compare(podPriority(b.pod), podPriority(a.pod)), startOf(a.pod).Compare(startOf(b.pod)))
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

// fitsWithout asks the filters about the cluster as it would be then.
func fitsWithout(c *cycle, n *nodeInfo, leaving []*podInfo) bool {
	without := n.without(leaving)
	nodes := slices.Clone(c.nodes)
	nodes[slices.Index(nodes, n)] = without
	_, by := newCycle(c.pod, nodes, c.namespaces).check(without)
	return by == nil
}

// lessHarm prefers the node whose most important victim is least important, then
// the smallest sum of priorities, then fewer victims, then the one whose victims
// have run for the shortest time.
func lessHarm(a, b candidate) int {
	return cmp.Or(
		cmp.Compare(podPriority(a.victims[0].pod), podPriority(b.victims[0].pod)),
		cmp.Compare(sum(a.victims), sum(b.victims)),
		cmp.Compare(len(a.victims), len(b.victims)),
		startOf(b.victims[0].pod).Compare(startOf(a.victims[0].pod)),
	)
}

func sum(victims []*podInfo) int64 {
	total := int64(0)
	for _, v := range victims {
		// Negative priorities must not make more victims look cheaper.
		total += int64(podPriority(v.pod)) + 1<<31
	}
	return total
}

func podPriority(pod *v1.Pod) int32 { return corev1helpers.PodPriority(pod) }

func startOf(pod *v1.Pod) time.Time {
	if pod.Status.StartTime != nil {
		return pod.Status.StartTime.Time
	}
	return pod.CreationTimestamp.Time
}

// evict ends the victims and notes for which node the pod waits. It does so in the
// background: the cache is locked while a node is chosen.
func (s *Scheduler) evict(ctx context.Context, pod *v1.Pod, chosen candidate) {
	node := chosen.node.name
	victims := make([]*v1.Pod, len(chosen.victims))
	for i, v := range chosen.victims {
		victims[i] = v.pod
	}
	trace.Decide(ctx, trace.For(pod), "preempting on "+node, fmt.Sprintf("no node has room, and %d pods of lower priority are there", len(victims)))
	s.binding.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bindTimeout)
		defer cancel()
		if err := s.patchStatus(ctx, pod, v1.PodStatus{NominatedNodeName: node}); err != nil && !apierrors.IsNotFound(err) {
			slog.Error("nominating a node", "pod", pod.Namespace+"/"+pod.Name, "node", node, "error", err)
		}
		for _, victim := range victims {
			s.evictOne(ctx, pod, victim, node)
		}
	})
}

func (s *Scheduler) evictOne(ctx context.Context, pod, victim *v1.Pod, node string) {
	log := slog.With("pod", victim.Namespace+"/"+victim.Name)
	message := fmt.Sprintf("%s: preempting to accommodate a higher priority pod", s.name)
	err := s.patchStatus(ctx, victim, v1.PodStatus{Conditions: []v1.PodCondition{{
		Type: v1.DisruptionTarget, Status: v1.ConditionTrue, Reason: v1.PodReasonPreemptionByScheduler,
		Message: message, ObservedGeneration: victim.Generation, LastTransitionTime: metav1.Now(),
	}}})
	if err != nil && !apierrors.IsNotFound(err) {
		log.Error("marking a pod that will be preempted", "error", err)
	}
	err = s.client.CoreV1().Pods(victim.Namespace).Delete(ctx, victim.Name, *metav1.NewPreconditionDeleteOptions(string(victim.UID)))
	switch {
	case apierrors.IsNotFound(err) || apierrors.IsConflict(err): // gone already
	case err != nil:
		log.Error("preempting", "error", err)
	default:
		s.events.Eventf(victim, pod, v1.EventTypeNormal, "Preempted", "Preempting", "Preempted by pod %v on node %v", pod.UID, node)
	}
}
