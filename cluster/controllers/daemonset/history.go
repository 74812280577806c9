package daemonset

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/controllers/podset"
	"noriter.dev/noriter/cluster/controllers/templatehash"
	"noriter.dev/noriter/cluster/trace"
)

// history returns the revision of the current template, which it makes if there is
// none, and the others. A DaemonSet has no ReplicaSets to keep old templates in, so
// ControllerRevisions do: `kubectl rollout undo` reads them.
func (c *Controller) history(ctx context.Context, ds *appsv1.DaemonSet) (current *appsv1.ControllerRevision, old []*appsv1.ControllerRevision, err error) {
	revisions, err := c.ownRevisions(ctx, ds)
	if err != nil {
		return nil, nil, err
	}
	patch, err := templatePatch(ds)
	if err != nil {
		return nil, nil, err
	}
	newest := int64(0)
	for _, revision := range revisions {
		if current == nil && bytes.Equal(revision.Data.Raw, patch) {
			current = revision
			continue
		}
		old = append(old, revision)
		newest = max(newest, revision.Revision)
	}
	if current == nil {
		current, err = c.newRevision(ctx, ds, patch, newest+1)
		return current, old, err
	}
	if current.Revision <= newest { // gone back to: it is the newest again
		changed := current.DeepCopy()
		changed.Revision = newest + 1
		if current, err = c.client.AppsV1().ControllerRevisions(ds.Namespace).Update(ctx, changed, metav1.UpdateOptions{}); err != nil {
			return nil, nil, fmt.Errorf("renumbering revision %s/%s: %w", ds.Namespace, changed.Name, err)
		}
	}
	return current, old, nil
}

func (c *Controller) ownRevisions(ctx context.Context, ds *appsv1.DaemonSet) ([]*appsv1.ControllerRevision, error) {
	selector, err := metav1.LabelSelectorAsSelector(ds.Spec.Selector)
	if err != nil {
		return nil, fmt.Errorf("reading the selector of daemon set %s/%s: %w", ds.Namespace, ds.Name, err)
	}
	all, err := c.revisions.ControllerRevisions(ds.Namespace).List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("listing revisions: %w", err)
	}
	claim := podset.Claim[*appsv1.ControllerRevision]{
		Owner: ds, Kind: kind, Selector: selector,
		Fresh: func(ctx context.Context) (metav1.Object, error) {
			return c.client.AppsV1().DaemonSets(ds.Namespace).Get(ctx, ds.Name, metav1.GetOptions{})
		},
		Patch: func(ctx context.Context, revision *appsv1.ControllerRevision, patch []byte) error {
			_, err := c.client.AppsV1().ControllerRevisions(revision.Namespace).Patch(ctx, revision.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
			return err
		},
	}
	return claim.Objects(ctx, all)
}

// templatePatch is what a revision holds: a strategic merge patch that puts this
// template back. Its bytes are also how revisions are compared, so they are made the
// same way every time, by way of a map with sorted keys.
func templatePatch(ds *appsv1.DaemonSet) ([]byte, error) {
	encoded, err := json.Marshal(ds.Spec.Template)
	if err != nil {
		return nil, fmt.Errorf("encoding the template of daemon set %s/%s: %w", ds.Namespace, ds.Name, err)
	}
	template := map[string]any{}
	if err := json.Unmarshal(encoded, &template); err != nil {
		return nil, fmt.Errorf("decoding the template of daemon set %s/%s: %w", ds.Namespace, ds.Name, err)
	}
	template["$patch"] = "replace"
	return json.Marshal(map[string]any{"spec": map[string]any{"template": template}})
}

func (c *Controller) newRevision(ctx context.Context, ds *appsv1.DaemonSet, patch []byte, number int64) (*appsv1.ControllerRevision, error) {
	hash := templatehash.Of(&ds.Spec.Template, ds.Status.CollisionCount)
	set := maps.Clone(ds.Spec.Template.Labels)
	if set == nil {
		set = map[string]string{}
	}
	set[appsv1.DefaultDaemonSetUniqueLabelKey] = hash
	revisions := c.client.AppsV1().ControllerRevisions(ds.Namespace)
	created, err := revisions.Create(ctx, &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{Namespace: ds.Namespace, Name: ds.Name + "-" + hash, Labels: set, Annotations: ds.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(ds, kind)}},
		Data: runtime.RawExtension{Raw: patch}, Revision: number,
	}, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		if err != nil {
			return nil, fmt.Errorf("making revision %d of daemon set %s/%s: %w", number, ds.Namespace, ds.Name, err)
		}
		trace.Decide(ctx, trace.For(ds), fmt.Sprintf("new revision %d, %s", number, created.Name), "no revision has the current pod template")
		return created, nil
	}
	// Either it is ours and the cache lags behind, or another template has the same
	// hash by chance; then the next try hashes something more.
	existing, getErr := revisions.Get(ctx, ds.Name+"-"+hash, metav1.GetOptions{})
	if getErr != nil {
		return nil, fmt.Errorf("reading revision %s-%s, which exists already: %w", ds.Name, hash, getErr)
	}
	if metav1.IsControlledBy(existing, ds) && bytes.Equal(existing.Data.Raw, patch) {
		return existing, nil
	}
	changed := ds.DeepCopy()
	changed.Status.CollisionCount = ptr.To(ptr.Deref(ds.Status.CollisionCount, 0) + 1)
	if _, updateErr := c.client.AppsV1().DaemonSets(ds.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{}); updateErr != nil {
		return nil, fmt.Errorf("noting a collision of hashes of daemon set %s/%s: %w", ds.Namespace, ds.Name, updateErr)
	}
	return nil, err
}

// prune deletes the oldest revisions beyond revisionHistoryLimit that no pod has.
func (c *Controller) prune(ctx context.Context, ds *appsv1.DaemonSet, old []*appsv1.ControllerRevision, pods []*v1.Pod) error {
	if ds.Spec.RevisionHistoryLimit == nil {
		return nil
	}
	inUse := map[string]bool{}
	for _, pod := range pods {
		inUse[pod.Labels[appsv1.DefaultDaemonSetUniqueLabelKey]] = true
	}
	surplus := len(old) - int(*ds.Spec.RevisionHistoryLimit)
	slices.SortFunc(old, func(a, b *appsv1.ControllerRevision) int { return cmp.Compare(a.Revision, b.Revision) })
	for _, revision := range old {
		if surplus <= 0 {
			break
		}
		if inUse[revision.Labels[appsv1.DefaultDaemonSetUniqueLabelKey]] {
			continue
		}
		err := c.client.AppsV1().ControllerRevisions(ds.Namespace).Delete(ctx, revision.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting old revision %s/%s: %w", ds.Namespace, revision.Name, err)
		}
		surplus--
	}
	return nil
}
