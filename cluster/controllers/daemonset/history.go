package daemonset

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/controllers/history"
	"noriter.dev/noriter/cluster/controllers/templatehash"
)

// constructHistory returns the revision of the current template, which it makes if there
// is none, and the others (upstream's function of the same name).
func (c *Controller) constructHistory(ctx context.Context, ds *appsv1.DaemonSet) (current *appsv1.ControllerRevision, old []*appsv1.ControllerRevision, err error) {
	revisions, err := c.history.List(ctx, ds)
	if err != nil {
		return nil, nil, err
	}
	patch, err := history.TemplatePatch(&ds.Spec.Template)
	if err != nil {
		return nil, nil, fmt.Errorf("daemon set %s/%s: %w", ds.Namespace, ds.Name, err)
	}
	current, old, highest := history.Split(revisions, patch)
	switch {
	case current == nil:
		current, err = c.snapshot(ctx, ds, patch, highest+1)
	case current.Revision <= highest: // gone back to: it is the newest again
		current, err = c.history.Renumber(ctx, current, highest+1)
	}
	return current, old, err
}

// snapshot makes the revision of the current template (upstream's function of the same
// name).
func (c *Controller) snapshot(ctx context.Context, ds *appsv1.DaemonSet, patch []byte, number int64) (*appsv1.ControllerRevision, error) {
	hash := templatehash.Of(&ds.Spec.Template, ds.Status.CollisionCount)
	set := templatehash.Label(ds.Spec.Template.Labels, appsv1.DefaultDaemonSetUniqueLabelKey, hash)
	revision, err := c.history.Create(ctx, ds, hash, set, patch, number)
	if !errors.Is(err, history.ErrCollision) {
		return revision, err
	}
	// The next sync hashes this count too. The error brings it about.
	changed := ds.DeepCopy()
	changed.Status.CollisionCount = ptr.To(ptr.Deref(ds.Status.CollisionCount, 0) + 1)
	if _, updateErr := c.client.AppsV1().DaemonSets(ds.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{}); updateErr != nil {
		return nil, fmt.Errorf("noting a collision of hashes of daemon set %s/%s: %w", ds.Namespace, ds.Name, updateErr)
	}
	return nil, err
}

// cleanupHistory deletes the oldest revisions beyond revisionHistoryLimit that no pod has
// (upstream's function of the same name).
func (c *Controller) cleanupHistory(ctx context.Context, ds *appsv1.DaemonSet, old []*appsv1.ControllerRevision, pods []*v1.Pod) error {
	inUse := map[string]bool{}
	for _, pod := range pods {
		inUse[pod.Labels[appsv1.DefaultDaemonSetUniqueLabelKey]] = true
	}
	return c.history.Truncate(ctx, old, ds.Spec.RevisionHistoryLimit, func(revision *appsv1.ControllerRevision) bool {
		return inUse[revision.Labels[appsv1.DefaultDaemonSetUniqueLabelKey]]
	})
}
