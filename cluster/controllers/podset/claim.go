package podset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"noriter.dev/noriter/cluster/trace"
)

// Claim decides which of some objects belong to a controller's object, by two
// marks: labels that the owner's selector matches, and the owner reference that
// says "I am managed by it". Where they disagree, Claim mends the reference:
//
//	matches, no owner    → adopted
//	matches, ours        → kept
//	does not match, ours → released: someone took the label off to set it free
//	any other owner      → not ours to touch
//
// The reference follows controller_ref_manager.go in k8s.io/kubernetes/pkg/controller.
type Claim[T metav1.Object] struct {
	Owner    metav1.Object
	Kind     schema.GroupVersionKind // of Owner
	Selector labels.Selector
	// Fresh reads the owner from the API server, past the cache.
	Fresh func(ctx context.Context) (metav1.Object, error)
	// Patch applies a strategic merge patch to one of the objects.
	Patch func(ctx context.Context, obj T, patch []byte) error
}

// Objects returns those of objs that are the owner's. Those that could not be
// mended are reported in the error; the others are returned all the same.
func (c Claim[T]) Objects(ctx context.Context, objs []T) ([]T, error) {
	var ours []T
	var failures []error
	mayAdopt := c.checkOnce()
	for _, obj := range objs {
		keep, err := c.claim(ctx, obj, mayAdopt)
		if err != nil {
			failures = append(failures, err)
		}
		if keep {
			ours = append(ours, obj)
		}
	}
	return ours, errors.Join(failures...)
}

func (c Claim[T]) claim(ctx context.Context, obj T, mayAdopt func(context.Context) error) (bool, error) {
	matches := c.Selector.Matches(labels.Set(obj.GetLabels()))
	if ref := metav1.GetControllerOfNoCopy(obj); ref != nil {
		switch {
		case ref.UID != c.Owner.GetUID():
			return false, nil
		case matches:
			return true, nil
		case c.Owner.GetDeletionTimestamp() != nil:
			return false, nil // the garbage collector sees to what the owner leaves behind
		default:
			return false, c.release(ctx, obj)
		}
	}
	if !matches || c.Owner.GetDeletionTimestamp() != nil || obj.GetDeletionTimestamp() != nil {
		return false, nil
	}
	if err := mayAdopt(ctx); err != nil {
		return false, fmt.Errorf("can't adopt %s %s/%s: %w", trace.For(obj).Kind, obj.GetNamespace(), obj.GetName(), err)
	}
	return c.adopt(ctx, obj)
}

// checkOnce makes a function that asks the API server, once for all the objects,
// whether the owner still lives. The cache may not know yet that the owner has been
// deleted, and what such an owner adopts would be deleted with it.
func (c Claim[T]) checkOnce() func(context.Context) error {
	checked, result := false, error(nil)
	return func(ctx context.Context) error {
		if checked {
			return result
		}
		checked = true
		switch fresh, err := c.Fresh(ctx); {
		case err != nil:
			result = fmt.Errorf("reading its new owner: %w", err)
		case fresh.GetUID() != c.Owner.GetUID():
			result = fmt.Errorf("%s %s has been replaced by another of the same name", c.Kind.Kind, c.Owner.GetName())
		case fresh.GetDeletionTimestamp() != nil:
			result = fmt.Errorf("%s %s is being deleted", c.Kind.Kind, c.Owner.GetName())
		}
		return result
	}
}

func (c Claim[T]) adopt(ctx context.Context, obj T) (bool, error) {
	trace.Decide(ctx, trace.For(obj), "adopted by "+c.Kind.Kind+" "+c.Owner.GetName(),
		"its labels match the selector and it has no controller", "selector", c.Selector.String())
	err := c.patch(ctx, obj, *metav1.NewControllerRef(c.Owner, c.Kind))
	if apierrors.IsNotFound(err) {
		return false, nil // gone meanwhile
	}
	return err == nil, err
}

func (c Claim[T]) release(ctx context.Context, obj T) error {
	trace.Decide(ctx, trace.For(obj), "released by "+c.Kind.Kind+" "+c.Owner.GetName(),
		"its labels no longer match the selector", "selector", c.Selector.String())
	err := c.patch(ctx, obj, map[string]any{"$patch": "delete", "uid": c.Owner.GetUID()})
	// NotFound: gone. Invalid: another object of that name by now, or it has no owner
	// reference any more. Either way there is nothing left to release.
	if apierrors.IsNotFound(err) || apierrors.IsInvalid(err) {
		return nil
	}
	return err
}

// patch changes one owner reference. The UID in the patch makes the API server
// refuse it if the object has been replaced by another of the same name.
func (c Claim[T]) patch(ctx context.Context, obj T, reference any) error {
	type metadata struct {
		UID             types.UID `json:"uid"`
		OwnerReferences []any     `json:"ownerReferences"`
	}
	body, err := json.Marshal(map[string]metadata{"metadata": {UID: obj.GetUID(), OwnerReferences: []any{reference}}})
	if err != nil {
		return fmt.Errorf("writing the patch of an owner reference: %w", err)
	}
	return c.Patch(ctx, obj, body)
}
