package podset

import (
	"context"
	"fmt"
	"log/slog"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
)

// Owner is an object that has dependents: a ReplicaSet has pods, a Deployment has
// ReplicaSets. Each dependent names its owner in metadata.ownerReferences, in the one
// reference that says "controller: true".
type Owner interface {
	metav1.Object
	runtime.Object
}

// Owners finds the owner of a dependent among the objects of one kind. Upstream has
// the same functions once in each controller: resolveControllerRef, get<Kind>sForPod.
type Owners[T Owner] struct {
	Kind schema.GroupVersionKind
	// Get and List read from the cache.
	Get  func(namespace, name string) (T, error)
	List func(namespace string) ([]T, error)
	// Live reads from the API server, where the cache may be too old to be trusted.
	Live func(ctx context.Context, namespace, name string) (T, error)
	// Selector is the owner's spec.selector.
	Selector func(T) *metav1.LabelSelector
}

// namespaceLister is what client-go's typed listers of one namespace have in common.
type namespaceLister[T any] interface {
	Get(name string) (T, error)
	List(labels.Selector) ([]T, error)
}

// namespaceGetter is the part of client-go's typed clients that Live needs.
type namespaceGetter[T any] interface {
	Get(ctx context.Context, name string, options metav1.GetOptions) (T, error)
}

// OwnersOf makes Owners from the lister and the client of a kind. They are given as
// method values, such as factory.Apps().V1().DaemonSets().Lister().DaemonSets.
func OwnersOf[T Owner, L namespaceLister[T], C namespaceGetter[T]](kind schema.GroupVersionKind, lister func(namespace string) L,
	client func(namespace string) C, selector func(T) *metav1.LabelSelector) Owners[T] {
	return Owners[T]{
		Kind:     kind,
		Get:      func(namespace, name string) (T, error) { return lister(namespace).Get(name) },
		List:     func(namespace string) ([]T, error) { return lister(namespace).List(labels.Everything()) },
		Selector: selector,
		Live: func(ctx context.Context, namespace, name string) (T, error) {
			return client(namespace).Get(ctx, name, metav1.GetOptions{})
		},
	}
}

// ByKey reads the object that a key of the work queue names from the cache. If it is
// gone, the error is one that apierrors.IsNotFound recognizes.
func (o Owners[T]) ByKey(key string) (T, error) {
	var none T
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return none, fmt.Errorf("reading key %q: %w", key, err)
	}
	owner, err := o.Get(namespace, name)
	if err != nil {
		return none, fmt.Errorf("reading %s %s: %w", o.Kind.Kind, key, err)
	}
	return owner, nil
}

// Of is the owner of a dependent; ok is false if it has none of this kind.
func (o Owners[T]) Of(dependent metav1.Object) (owner T, ok bool) {
	if ref := metav1.GetControllerOfNoCopy(dependent); ref != nil {
		return o.Resolve(dependent.GetNamespace(), ref)
	}
	return owner, false
}

// Resolve is the object that a controller reference means (upstream's
// resolveControllerRef). ok is false if the reference is to another kind, or if the
// object is gone. The UID decides: an object that was deleted and made again under the
// same name is another one, and the garbage collector deletes the dependents of the
// first.
func (o Owners[T]) Resolve(namespace string, ref *metav1.OwnerReference) (owner T, ok bool) {
	var none T
	if ref.Kind != o.Kind.Kind {
		return none, false
	}
	owner, err := o.Get(namespace, ref.Name)
	if err != nil || owner.GetUID() != ref.UID {
		return none, false
	}
	return owner, true
}

// adopters are all objects whose selector matches an orphan, a dependent without a
// controller (upstream's getDaemonSetsForPod, getDeploymentsForReplicaSet and so on).
// Normally there is at most one. If there are several, the first to write its reference
// gets the orphan: the API server accepts one controller for each object.
func (o Owners[T]) adopters(orphan metav1.Object) []T {
	all, err := o.List(orphan.GetNamespace())
	if err != nil {
		slog.Error("looking for a controller of an orphan", "kind", o.Kind.Kind, "orphan", key(orphan), "error", err)
		return nil
	}
	var matching []T
	for _, owner := range all {
		selector, err := metav1.LabelSelectorAsSelector(o.Selector(owner))
		// An empty selector matches everything, which nobody wants: it adopts nothing.
		if err == nil && !selector.Empty() && selector.Matches(labels.Set(orphan.GetLabels())) {
			matching = append(matching, owner)
		}
	}
	return matching
}

// key is the name under which the work queue and Expectations know an object.
func key(obj metav1.Object) string { return obj.GetNamespace() + "/" + obj.GetName() }
