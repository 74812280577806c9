package podset

import (
	"maps"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"noriter.dev/noriter/cluster/controllers/loop"
)

// Handlers turns what the informers report into work: the key of the owner goes into
// the queue, and what the controller waits to see is ticked off. Upstream has these
// handlers once in each controller (addPod, updatePod, deletePod, addReplicaSet …).
type Handlers[T Owner] struct {
	Owners Owners[T]
	Loop   *loop.Loop
	// Expect and Writes are how the controller keeps from acting on old news. It has one
	// of them, and the other is nil: Expect where it makes and deletes dependents whose
	// names the API server completes, Writes where it changes those that exist.
	Expect *Expectations
	Writes *loop.Writes
}

// ForOwners handles events of the controller's own kind.
func (h Handlers[T]) ForOwners() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: h.Loop.Add,
		UpdateFunc: func(old, obj any) {
			// An object that is deleted and made again quickly can reach us as one change,
			// because a watch that is interrupted shows only the latest state.
			if before, after := old.(metav1.Object), obj.(metav1.Object); before.GetUID() != after.GetUID() {
				h.Expect.Forget(key(after))
			}
			h.Loop.Add(obj)
		},
		DeleteFunc: func(obj any) {
			if owner, ok := loop.LastState[metav1.Object](obj); ok {
				h.Writes.Forget(owner.GetUID())
			}
			h.Loop.Add(obj)
		},
	}
}

// ForDependents handles events of the pods, or of whatever else the owners have.
func (h Handlers[T]) ForDependents() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { h.added(obj.(metav1.Object)) },
		UpdateFunc: func(old, obj any) { h.updated(old.(metav1.Object), obj.(metav1.Object)) },
		DeleteFunc: loop.OnDelete(func(obj metav1.Object) {
			h.Writes.Forget(obj.GetUID())
			h.deleted(obj)
		}),
	}
}

func (h Handlers[T]) added(obj metav1.Object) {
	// When this process starts, every object is new to it, and some are already on
	// their way out. Such a one is not the creation that somebody waits for.
	if obj.GetDeletionTimestamp() != nil {
		h.deleted(obj)
		return
	}
	if metav1.GetControllerOfNoCopy(obj) == nil {
		h.offer(obj)
		return
	}
	if owner, ok := h.Owners.Of(obj); ok {
		h.Expect.CreationObserved(key(owner))
		h.Loop.Add(owner)
	}
}

func (h Handlers[T]) updated(old, obj metav1.Object) {
	if old.GetResourceVersion() == obj.GetResourceVersion() {
		return // a resync of the informer: nothing has changed
	}
	relabelled := !maps.Equal(old.GetLabels(), obj.GetLabels())
	before, after := metav1.GetControllerOfNoCopy(old), metav1.GetControllerOfNoCopy(obj)
	handedOver := !equality.Semantic.DeepEqual(before, after)

	if obj.GetDeletionTimestamp() != nil {
		// A pod that has been asked to end is no replica any more, however long its grace
		// period is. Its replacement is made now, not when it is gone.
		h.deleted(obj)
		if relabelled || handedOver {
			h.deleted(old)
		}
		return
	}
	if handedOver {
		if owner, ok := h.Owners.Of(old); ok {
			h.Loop.Add(owner) // it has lost one
		}
	}
	if after != nil {
		if owner, ok := h.Owners.Of(obj); ok {
			h.Loop.Add(owner)
		}
		return
	}
	// An orphan is offered again only if something changed that decides who may adopt
	// it: its status changes often, and each offer goes through all owners.
	if relabelled || handedOver {
		h.offer(obj)
	}
}

// deleted is called when an object is marked for deletion and again when it is gone.
func (h Handlers[T]) deleted(obj metav1.Object) {
	// Nobody misses an orphan, so only an owner is told.
	if owner, ok := h.Owners.Of(obj); ok {
		h.Expect.DeletionObserved(key(owner), obj.GetUID())
		h.Loop.Add(owner)
	}
}

// offer queues all that could adopt an orphan. Whether one does is decided in its sync,
// by refManager.
func (h Handlers[T]) offer(orphan metav1.Object) {
	for _, owner := range h.Owners.adopters(orphan) {
		h.Loop.Add(owner)
	}
}
