package loop

import (
	"fmt"

	"k8s.io/client-go/tools/cache"
)

// Watch has the handler called for every object that the informer holds by then, and
// for each change from then on. One informer serves all loops of the process: they
// share its watch and its cache, and each adds a handler of its own.
func Watch(informer cache.SharedIndexInformer, handler cache.ResourceEventHandler) error {
	if _, err := informer.AddEventHandler(handler); err != nil {
		return fmt.Errorf("adding a handler of events: %w", err)
	}
	return nil
}

// Handler queues every object of an informer whatever happens to it.
func (l *Loop) Handler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    l.Add,
		UpdateFunc: func(_, obj any) { l.Add(obj) },
		DeleteFunc: l.Add,
	}
}

// OnDelete makes a DeleteFunc of a function that wants the object.
func OnDelete[T any](do func(T)) func(obj any) {
	return func(obj any) {
		if typed, ok := LastState[T](obj); ok {
			do(typed)
		}
	}
}

// LastState is the object that a DeleteFunc is told of, as it was last seen. An informer
// whose watch was interrupted finds out about a deletion when it lists all objects again,
// by what is missing. It then reports a tombstone (cache.DeletedFinalStateUnknown), which
// holds the object.
func LastState[T any](obj any) (T, bool) {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	typed, ok := obj.(T)
	return typed, ok
}
