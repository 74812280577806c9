package scheduler

import (
	"fmt"
	"maps"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/tools/cache"
)

// watch keeps the queue and the cache up to date: pods without a node belong to the
// one, pods with a node and the nodes themselves to the other. Each change may also
// be what a parked pod waits for.
func (s *Scheduler) watch(pods, nodes cache.SharedIndexInformer) error {
	podsListed, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { s.podChanged(nil, obj.(*v1.Pod)) },
		UpdateFunc: func(old, obj any) { s.podChanged(old.(*v1.Pod), obj.(*v1.Pod)) },
		DeleteFunc: func(obj any) {
			if pod, ok := lastKnown[*v1.Pod](obj); ok {
				s.podGone(pod)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching pods: %w", err)
	}
	nodesListed, err := nodes.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { s.nodeChanged(nil, obj.(*v1.Node)) },
		UpdateFunc: func(old, obj any) { s.nodeChanged(old.(*v1.Node), obj.(*v1.Node)) },
		DeleteFunc: func(obj any) {
			if node, ok := lastKnown[*v1.Node](obj); ok {
				s.cache.dropNode(node.Name)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching nodes: %w", err)
	}
	s.listed = append(s.listed, podsListed.HasSyncedChecker(), nodesListed.HasSyncedChecker())
	return nil
}

// lastKnown takes the object out of the tombstone of a deletion that was missed.
func lastKnown[T any](obj any) (T, bool) {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	typed, ok := obj.(T)
	return typed, ok
}

func (s *Scheduler) podChanged(old, pod *v1.Pod) {
	if old != nil && old.UID != pod.UID { // deleted and made anew between two looks
		s.podGone(old)
		old = nil
	}
	switch {
	case pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed:
		s.podGone(pod) // its room is free, though it can still be looked at
	case pod.Spec.NodeName != "":
		s.queue.remove(pod.UID)
		s.cache.setPod(pod)
		switch {
		case old == nil || old.Spec.NodeName == "":
			s.queue.moved(podAssigned)
		case !maps.Equal(old.Labels, pod.Labels):
			s.queue.moved(podRelabelled)
		case old.DeletionTimestamp == nil && pod.DeletionTimestamp != nil:
			s.queue.moved(podRelabelled) // it counts no more for spreading
		}
	case s.waits(pod):
		s.cache.nominate(pod, pod.Status.NominatedNodeName)
		s.queue.add(pod, old != nil && filtersCare(old, pod))
	default:
		s.queue.remove(pod.UID)
		s.cache.nominate(pod, "")
	}
}

// waits is true for a pod that we should find a node for.
func (s *Scheduler) waits(pod *v1.Pod) bool {
	return pod.Spec.SchedulerName == s.name && // else another scheduler's
		pod.DeletionTimestamp == nil &&
		len(pod.Spec.SchedulingGates) == 0 // held back until somebody opens the gates
}

// filtersCare is true if the pod itself changed in what filters look at. Its status
// does not count: we write it ourselves.
func filtersCare(old, pod *v1.Pod) bool {
	return !equality.Semantic.DeepEqual(old.Spec, pod.Spec) || !maps.Equal(old.Labels, pod.Labels)
}

func (s *Scheduler) podGone(pod *v1.Pod) {
	s.queue.remove(pod.UID)
	s.cache.nominate(pod, "")
	if s.cache.dropPod(pod.UID) {
		s.queue.moved(podGone)
	}
}

func (s *Scheduler) nodeChanged(old, node *v1.Node) {
	s.cache.setNode(node)
	if what := nodeChange(old, node); what != 0 {
		s.queue.moved(what)
	}
}

// nodeChange says what about a node changed that may let a pod in. Heartbeats and
// conditions do not.
func nodeChange(old, node *v1.Node) change {
	if old == nil || old.UID != node.UID {
		return nodeAdded
	}
	var what change
	if !equality.Semantic.DeepEqual(old.Spec.Taints, node.Spec.Taints) || old.Spec.Unschedulable != node.Spec.Unschedulable {
		what |= nodeTaints
	}
	if !maps.Equal(old.Labels, node.Labels) {
		what |= nodeLabels
	}
	if !equality.Semantic.DeepEqual(old.Status.Allocatable, node.Status.Allocatable) {
		what |= nodeAllocatable
	}
	return what
}
