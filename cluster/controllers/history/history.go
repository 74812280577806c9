// Package history keeps the pod templates that an object had before, as
// ControllerRevisions. `kubectl rollout history` and `rollout undo` read them.
//
// A Deployment needs none of this: each of its ReplicaSets holds a template. The kinds
// that have pods of their own, as DaemonSets do, keep their history here. A revision is
// never changed but for its number: the highest number is the current template, and
// going back to an old template gives its revision the next number.
//
// Behaviour follows pkg/controller/history of Kubernetes 1.37.
package history

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"

	"noriter.dev/noriter/cluster/controllers/podset"
	"noriter.dev/noriter/cluster/trace"
)

// ErrCollision is that another template has the same hash by chance, so that its
// revision has the name. The caller counts it in status.collisionCount, which goes into
// the next hash (see templatehash).
var ErrCollision = errors.New("another pod template has the same hash")

// History is where the revisions of one kind of objects are kept.
type History[T podset.Owner] struct {
	client    kubernetes.Interface
	revisions appslisters.ControllerRevisionLister
	owners    podset.Owners[T]
}

// New prepares the history of a kind. The factory must be started afterwards.
func New[T podset.Owner](client kubernetes.Interface, factory informers.SharedInformerFactory, owners podset.Owners[T]) History[T] {
	revisions := factory.Apps().V1().ControllerRevisions()
	revisions.Informer() // a factory starts only what was asked for
	return History[T]{client: client, revisions: revisions.Lister(), owners: owners}
}

// List returns the owner's revisions. It adopts and releases some on the way, as is done
// with pods.
func (h History[T]) List(ctx context.Context, owner T) ([]*appsv1.ControllerRevision, error) {
	all, err := h.revisions.ControllerRevisions(owner.GetNamespace()).List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("listing revisions: %w", err)
	}
	return podset.Claim(ctx, h.owners, owner, all, h.client.AppsV1().ControllerRevisions)
}

// TemplatePatch is what a revision holds: a strategic merge patch that puts this
// template back (upstream's getPatch). Its bytes are also how revisions are compared, so
// they are made the same way every time, by way of a map, whose keys are sorted.
func TemplatePatch(template *v1.PodTemplateSpec) ([]byte, error) {
	encoded, err := json.Marshal(template)
	if err != nil {
		return nil, fmt.Errorf("encoding a pod template: %w", err)
	}
	fields := map[string]any{}
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil, fmt.Errorf("decoding a pod template: %w", err)
	}
	// A merge would keep what the newer template has and the older one has not.
	fields["$patch"] = "replace"
	return json.Marshal(map[string]any{"spec": map[string]any{"template": fields}})
}

// Split finds the revision that holds the patch, nil if there is none, and the others,
// with the highest number among these.
func Split(revisions []*appsv1.ControllerRevision, patch []byte) (current *appsv1.ControllerRevision, old []*appsv1.ControllerRevision, highest int64) {
	for _, revision := range revisions {
		if current == nil && bytes.Equal(revision.Data.Raw, patch) {
			current = revision
			continue
		}
		old = append(old, revision)
		highest = max(highest, revision.Revision)
	}
	return current, old, highest
}

// Renumber makes a revision the newest: its template has been gone back to.
func (h History[T]) Renumber(ctx context.Context, revision *appsv1.ControllerRevision, number int64) (*appsv1.ControllerRevision, error) {
	changed := revision.DeepCopy()
	changed.Revision = number
	updated, err := h.client.AppsV1().ControllerRevisions(changed.Namespace).Update(ctx, changed, metav1.UpdateOptions{})
	if err != nil {
		return nil, fmt.Errorf("renumbering revision %s/%s: %w", changed.Namespace, changed.Name, err)
	}
	return updated, nil
}

// Create makes a revision of owner. The hash of the template ends its name, so that
// making it twice makes one. If the name is taken by another template, the error is
// ErrCollision.
func (h History[T]) Create(ctx context.Context, owner T, hash string, set map[string]string, patch []byte, number int64) (*appsv1.ControllerRevision, error) {
	name, kind := owner.GetName()+"-"+hash, h.owners.Kind
	revisions := h.client.AppsV1().ControllerRevisions(owner.GetNamespace())
	created, err := revisions.Create(ctx, &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: owner.GetNamespace(), Name: name, Labels: set, Annotations: owner.GetAnnotations(),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, kind)},
		},
		Data: runtime.RawExtension{Raw: patch}, Revision: number,
	}, metav1.CreateOptions{})
	if err == nil {
		trace.Decide(ctx, trace.For(owner), fmt.Sprintf("new revision %d, %s", number, created.Name), "no revision has the current pod template")
		return created, nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return nil, fmt.Errorf("making revision %d of %s %s/%s: %w", number, kind.Kind, owner.GetNamespace(), owner.GetName(), err)
	}
	existing, getErr := revisions.Get(ctx, name, metav1.GetOptions{})
	if getErr != nil {
		return nil, fmt.Errorf("reading revision %s, which exists already: %w", name, getErr)
	}
	if metav1.IsControlledBy(existing, owner) && bytes.Equal(existing.Data.Raw, patch) {
		return existing, nil // the cache lags behind
	}
	return nil, fmt.Errorf("making revision %s: %w: %w", name, ErrCollision, err)
}

// Truncate deletes the oldest of the revisions beyond limit, which is
// spec.revisionHistoryLimit; nil keeps all. One that is in use, because pods still run
// with its template, stays and counts.
func (h History[T]) Truncate(ctx context.Context, revisions []*appsv1.ControllerRevision, limit *int32, inUse func(*appsv1.ControllerRevision) bool) error {
	if limit == nil {
		return nil
	}
	surplus := len(revisions) - int(*limit)
	slices.SortFunc(revisions, func(a, b *appsv1.ControllerRevision) int { return cmp.Compare(a.Revision, b.Revision) })
	for _, revision := range revisions {
		if surplus <= 0 {
			break
		}
		if inUse(revision) {
			continue
		}
		err := h.client.AppsV1().ControllerRevisions(revision.Namespace).Delete(ctx, revision.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting old revision %s/%s: %w", revision.Namespace, revision.Name, err)
		}
		surplus--
	}
	return nil
}
