package scheduler

import (
	"fmt"
	"maps"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
)

// addAllEventHandlers keeps the queue and the cache up to date. Pods without a node
// belong to the queue, pods with a node and the nodes themselves to the cache. Each
// change may also be what an unschedulable pod waits for. (Upstream's
// pkg/scheduler/eventhandlers.go.)
func (s *Scheduler) addAllEventHandlers(pods, nodes cache.SharedIndexInformer) error {
	podsListed, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { s.handlePodUpdate(nil, obj.(*v1.Pod)) },
		UpdateFunc: func(old, obj any) { s.handlePodUpdate(old.(*v1.Pod), obj.(*v1.Pod)) },
		DeleteFunc: func(obj any) {
			if pod, ok := lastKnown[*v1.Pod](obj); ok {
				s.handlePodDelete(pod)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching pods: %w", err)
	}
	nodesListed, err := nodes.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { s.handleNodeUpdate(nil, obj.(*v1.Node)) },
		UpdateFunc: func(old, obj any) { s.handleNodeUpdate(old.(*v1.Node), obj.(*v1.Node)) },
		DeleteFunc: func(obj any) {
			if node, ok := lastKnown[*v1.Node](obj); ok {
				s.cache.removeNode(node.Name) // makes no room, so it wakes nobody
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching nodes: %w", err)
	}
	s.listed = append(s.listed, podsListed.HasSyncedChecker(), nodesListed.HasSyncedChecker())
	return nil
}

// lastKnown returns the deleted object. If the watch was interrupted and missed the
// deletion, client-go wraps what it last knew of the object.
func lastKnown[T any](obj any) (T, bool) {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	typed, ok := obj.(T)
	return typed, ok
}

// handlePodUpdate takes in a new pod (old is nil) or a changed one.
func (s *Scheduler) handlePodUpdate(old, pod *v1.Pod) {
	if old != nil && old.UID != pod.UID {
		// Deleted and created again under the same name, while the watch was interrupted.
		s.handlePodDelete(old)
		old = nil
	}
	switch {
	case pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed:
		s.handlePodDelete(pod) // the object is still there, but takes no room on its node
	case pod.Spec.NodeName != "":
		s.handleAssignedPodUpdate(old, pod)
	case s.responsibleForPod(pod):
		s.cache.nominate(pod, pod.Status.NominatedNodeName)
		s.queue.addOrUpdate(pod, old != nil && podSchedulingPropertiesChanged(old, pod))
	default:
		s.queue.remove(pod.UID)
		s.cache.nominate(pod, "")
	}
}

// handleAssignedPodUpdate takes in a pod that has a node, whoever gave it to the pod:
// this scheduler, another one, or the pod's author.
func (s *Scheduler) handleAssignedPodUpdate(old, pod *v1.Pod) {
	s.queue.remove(pod.UID)
	s.cache.addOrUpdatePod(pod)
	switch {
	case old == nil || old.Spec.NodeName == "":
		s.queue.moveAllToActiveOrBackoffQueue(assignedPodAdd)
	case !maps.Equal(old.Labels, pod.Labels):
		s.queue.moveAllToActiveOrBackoffQueue(assignedPodUpdateLabel)
	case old.DeletionTimestamp == nil && pod.DeletionTimestamp != nil:
		// PodTopologySpread no longer counts it, as if its labels did not match.
		s.queue.moveAllToActiveOrBackoffQueue(assignedPodUpdateLabel)
	}
}

// responsibleForPod is true for a pod without a node that this scheduler has to find
// one for.
func (s *Scheduler) responsibleForPod(pod *v1.Pod) bool {
	return pod.Spec.SchedulerName == s.name && // several schedulers may share a cluster
		pod.DeletionTimestamp == nil &&
		!gated(pod)
}

func (s *Scheduler) handlePodDelete(pod *v1.Pod) {
	s.queue.remove(pod.UID)
	s.cache.nominate(pod, "")
	if s.cache.removePod(pod.UID) {
		s.queue.moveAllToActiveOrBackoffQueue(assignedPodDelete)
	}
}

func (s *Scheduler) handleNodeUpdate(old, node *v1.Node) {
	s.cache.addOrUpdateNode(node)
	if events := nodeSchedulingPropertiesChange(old, node); events != 0 {
		s.queue.moveAllToActiveOrBackoffQueue(events)
	}
}
