package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/world"
)

// Objects of the whole cluster, which a lab's manifests may have, are in no namespace that
// is the lab's alone: each has the mark of the lab that made it, is changed by no other,
// and goes when the lab's namespace does.

// mayChange gives an error where this lab did not make an object of the whole cluster that
// is there. The new one gets its identity, so that no other one that has its name by then
// is changed.
func (s *Session) mayChange(ctx context.Context, client dynamic.ResourceInterface, obj *unstructured.Unstructured) error {
	there, err := client.Get(ctx, obj.GetName(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !s.world(&progress.Lab{}).Made(there) && !s.madeBefore(there) {
		return lang.Errorf("it is there already, and not made by this lab: nothing was changed; delete it yourself, if you don't need it",
			"이미 있는데, 이 실습이 만든 것이 아니어서 바꾸지 않았습니다. 필요 없는 것이라면 직접 지우세요")
	}
	obj.SetUID(there.GetUID())
	return nil
}

// madeBefore tells whether an object was made by an older version, which set no marks. Of
// whose lab it was can't be said then: built-in labs take it for theirs.
func (s *Session) madeBefore(obj *unstructured.Unstructured) bool {
	_, marked := obj.GetAnnotations()[world.ForAnnotation]
	return s.Lab.Path == "" && !marked &&
		slices.ContainsFunc(obj.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool { return f.Manager == fieldManager })
}

// wide is an object of the whole cluster that is going away.
type wide struct {
	client     dynamic.ResourceInterface
	kind, name string
	uid        types.UID
}

// removeObjects removes the namespace with all that goes with it, and waits until it is
// gone. What is of the whole cluster is asked to go first: a webhook could be in the way
// of the rest.
func (s *Session) removeObjects(ctx context.Context) error {
	if err := s.world(&progress.Lab{}).Check(ctx); err != nil {
		return err
	}
	going, err := s.deleteWide(ctx)
	if err != nil {
		return err
	}
	if err := s.removeNamespace(ctx); err != nil {
		return err
	}
	for _, o := range going {
		what := lang.Textf("%s %s to go", "%s %s의 삭제", o.kind, o.name)
		if err := world.Until(ctx, s.patient(goneLimit), what, o.isGone); err != nil {
			return fmt.Errorf("%w\n    remedy: `%s kubectl get %s %s -o yaml` says what holds it", err, s.Env.Nori(), o.kind, o.name)
		}
	}
	return nil
}

// deleteWide asks what the lab made of the whole cluster to go, the last first.
func (s *Session) deleteWide(ctx context.Context) (going []wide, err error) {
	objects, err := s.manifests(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[schema.GroupVersionResource]bool{}
	for _, obj := range slices.Backward(objects) {
		m, err := s.Cluster.Resource(obj.GetKind(), obj.GetAPIVersion())
		if meta.IsNoMatchError(err) {
			continue // a cluster that doesn't know a kind has nothing of it
		}
		if err != nil {
			return nil, err
		}
		if seen[m.Resource] || m.Scope.Name() == meta.RESTScopeNameNamespace {
			continue
		}
		seen[m.Resource] = true
		there, err := s.Cluster.List(ctx, obj.GetKind(), obj.GetAPIVersion(), "", labLabel+"="+s.Lab.ID)
		if err != nil && !apierrors.IsNotFound(err) { // the kind itself may have gone
			return nil, err
		}
		for i := range there {
			if !s.world(&progress.Lab{}).Ends(&there[i]) {
				continue
			}
			o := wide{s.Cluster.Dynamic.Resource(m.Resource), strings.ToLower(obj.GetKind()), there[i].GetName(), there[i].GetUID()}
			if err := o.delete(ctx); err != nil {
				return nil, err
			}
			going = append(going, o)
		}
	}
	return going, nil
}

// delete begins to delete the very object, and not one of the same name that has come since.
func (o wide) delete(ctx context.Context) error {
	err := o.client.Delete(ctx, o.name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &o.uid}})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) { // a conflict: it is going already
		return lang.Errorf("deleting %s %s: %w", "%s %s 지우기: %w", o.kind, o.name, err)
	}
	return nil
}

func (o wide) isGone(ctx context.Context) (bool, error) {
	obj, err := o.client.Get(ctx, o.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	return err == nil && obj.GetUID() != o.uid, err
}

// manifests are the objects that the lab's setup may have made; none before it began.
func (s *Session) manifests(ctx context.Context) (out []*unstructured.Unstructured, err error) {
	state, err := s.State()
	if errors.Is(err, ErrNotStarted) {
		return nil, nil
	}
	for i := range s.Lab.Setup {
		name := s.Lab.Setup[i].Manifest
		if name == "" || err != nil {
			continue
		}
		var text string
		var objects []*unstructured.Unstructured
		if text, err = s.renderFile(ctx, state, name); err == nil {
			objects, err = world.Objects(name, text)
		}
		out = append(out, objects...)
	}
	return out, err
}
