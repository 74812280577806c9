package daemonset

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/cluster/controllers/podset"
)

// writeStatus writes what was found, if that is news. Of the pods of a node, the
// oldest is the one that counts. observed is the generation that was acted upon:
// `kubectl rollout status` waits for it.
func (r *round) writeStatus(ctx context.Context, observed int64) error {
	changed := r.ds.DeepCopy()
	s := &changed.Status
	s.DesiredNumberScheduled, s.CurrentNumberScheduled, s.NumberMisscheduled = 0, 0, 0
	s.NumberReady, s.UpdatedNumberScheduled, s.NumberAvailable = 0, 0, 0
	for _, node := range r.nodes {
		shouldRun, _, _ := fits(r.ds, node)
		pods := r.at[node.Name]
		switch {
		case !shouldRun && len(pods) > 0:
			s.NumberMisscheduled++
			continue
		case !shouldRun:
			continue
		}
		s.DesiredNumberScheduled++
		if len(pods) == 0 {
			continue
		}
		s.CurrentNumberScheduled++
		if podset.IsReady(pods[0]) {
			s.NumberReady++
		}
		if r.available(pods[0]) {
			s.NumberAvailable++
		}
		if r.isCurrent(pods[0]) {
			s.UpdatedNumberScheduled++
		}
	}
	s.NumberUnavailable = s.DesiredNumberScheduled - s.NumberAvailable
	s.ObservedGeneration = observed

	if wait, ok := podset.NextAvailable(r.pods, r.ds.Spec.MinReadySeconds, r.now); ok {
		r.c.loop.AddAfter(r.ds, wait)
	}
	if equality.Semantic.DeepEqual(r.ds.Status, *s) {
		return nil
	}
	_, err := r.c.client.AppsV1().DaemonSets(r.ds.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("writing the status of daemon set %s/%s: %w", r.ds.Namespace, r.ds.Name, err)
	}
	return nil
}
