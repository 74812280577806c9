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

// patcher is the part of client-go's typed clients that Claim needs.
type patcher[D any] interface {
	Patch(ctx context.Context, name string, form types.PatchType, patch []byte, options metav1.PatchOptions, subresources ...string) (D, error)
}

// Claim returns those of the candidates that belong to owner. It adopts orphans and
// releases what no longer matches on the way, through the candidates' client. What it
// could not change is reported in the error; the others are returned all the same.
func Claim[T Owner, D metav1.Object, C patcher[D]](ctx context.Context, owners Owners[T], owner T, candidates []D, client func(namespace string) C) ([]D, error) {
	selector, err := metav1.LabelSelectorAsSelector(owners.Selector(owner))
	if err != nil {
		return nil, fmt.Errorf("reading the selector of %s %s: %w", owners.Kind.Kind, key(owner), err)
	}
	m := refManager[D]{
		owner: owner, kind: owners.Kind, selector: selector,
		live: func(ctx context.Context) (metav1.Object, error) {
			return owners.Live(ctx, owner.GetNamespace(), owner.GetName())
		},
		patch: func(ctx context.Context, obj D, patch []byte) error {
			_, err := client(obj.GetNamespace()).Patch(ctx, obj.GetName(), types.StrategicMergePatchType, patch, metav1.PatchOptions{})
			return err
		},
	}
	return m.claimAll(ctx, candidates)
}

// refManager is upstream's ControllerRefManager
// (pkg/controller/controller_ref_manager.go). It decides which objects belong to an
// owner, by two marks: labels that the owner's selector matches, and the owner reference
// that says "I am managed by it". Where they disagree, it changes the reference:
//
//	matches, no owner    → adopted
//	matches, ours        → kept
//	does not match, ours → released: someone took the label off to set it free
//	any other owner      → not ours to touch
//
// Labels alone would not do: two selectors may match the same pod, and both owners
// would count it.
type refManager[D metav1.Object] struct {
	owner    metav1.Object
	kind     schema.GroupVersionKind // of owner
	selector labels.Selector
	// live reads the owner from the API server, past the cache.
	live func(ctx context.Context) (metav1.Object, error)
	// patch applies a strategic merge patch to one of the objects.
	patch func(ctx context.Context, obj D, patch []byte) error
}

func (m refManager[D]) claimAll(ctx context.Context, objs []D) ([]D, error) {
	var ours []D
	var failures []error
	mayAdopt := m.canAdopt()
	for _, obj := range objs {
		keep, err := m.claim(ctx, obj, mayAdopt)
		if err != nil {
			failures = append(failures, err)
		}
		if keep {
			ours = append(ours, obj)
		}
	}
	return ours, errors.Join(failures...)
}

func (m refManager[D]) claim(ctx context.Context, obj D, mayAdopt func(context.Context) error) (bool, error) {
	matches := m.selector.Matches(labels.Set(obj.GetLabels()))
	if ref := metav1.GetControllerOfNoCopy(obj); ref != nil {
		switch {
		case ref.UID != m.owner.GetUID():
			return false, nil
		case matches:
			return true, nil
		case m.owner.GetDeletionTimestamp() != nil:
			return false, nil // the garbage collector decides what becomes of it
		default:
			return false, m.release(ctx, obj)
		}
	}
	if !matches || m.owner.GetDeletionTimestamp() != nil || obj.GetDeletionTimestamp() != nil {
		return false, nil
	}
	if err := mayAdopt(ctx); err != nil {
		return false, fmt.Errorf("can't adopt %s %s: %w", trace.For(obj).Kind, key(obj), err)
	}
	return m.adopt(ctx, obj)
}

// canAdopt makes a function that asks the API server, once for all the objects,
// whether the owner still lives (upstream's RecheckDeletionTimestamp). The cache may not
// know yet that the owner has been deleted, and what such an owner adopts would be
// deleted with it.
func (m refManager[D]) canAdopt() func(context.Context) error {
	checked, result := false, error(nil)
	return func(ctx context.Context) error {
		if checked {
			return result
		}
		checked = true
		switch live, err := m.live(ctx); {
		case err != nil:
			result = fmt.Errorf("reading its new owner: %w", err)
		case live.GetUID() != m.owner.GetUID():
			result = fmt.Errorf("%s %s has been replaced by another of the same name", m.kind.Kind, m.owner.GetName())
		case live.GetDeletionTimestamp() != nil:
			result = fmt.Errorf("%s %s is being deleted", m.kind.Kind, m.owner.GetName())
		}
		return result
	}
}

func (m refManager[D]) adopt(ctx context.Context, obj D) (bool, error) {
	trace.Decide(ctx, trace.For(obj), "adopted by "+m.kind.Kind+" "+m.owner.GetName(),
		"its labels match the selector and it has no controller", "selector", m.selector.String())
	err := m.patchReference(ctx, obj, *metav1.NewControllerRef(m.owner, m.kind))
	if apierrors.IsNotFound(err) {
		return false, nil // gone meanwhile
	}
	return err == nil, err
}

func (m refManager[D]) release(ctx context.Context, obj D) error {
	trace.Decide(ctx, trace.For(obj), "released by "+m.kind.Kind+" "+m.owner.GetName(),
		"its labels no longer match the selector", "selector", m.selector.String())
	err := m.patchReference(ctx, obj, map[string]any{"$patch": "delete", "uid": m.owner.GetUID()})
	// NotFound: gone. Invalid: another object has the name by now, or the reference is
	// gone already. Either way there is nothing left to release.
	if apierrors.IsNotFound(err) || apierrors.IsInvalid(err) {
		return nil
	}
	return err
}

// patchReference changes one owner reference and leaves the others. A UID can't be
// changed, so the UID in the patch makes the API server refuse it if another object has
// the name by now.
func (m refManager[D]) patchReference(ctx context.Context, obj D, reference any) error {
	type metadata struct {
		UID             types.UID `json:"uid"`
		OwnerReferences []any     `json:"ownerReferences"`
	}
	body, err := json.Marshal(map[string]metadata{"metadata": {UID: obj.GetUID(), OwnerReferences: []any{reference}}})
	if err != nil {
		return fmt.Errorf("writing the patch of an owner reference: %w", err)
	}
	return m.patch(ctx, obj, body)
}
