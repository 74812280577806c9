package daemonset

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/cluster/controllers/podset"
)

// updateStatus writes what was found (upstream's updateDaemonSetStatus), if that is news.
// observed is the generation that was acted upon: `kubectl rollout status` waits for it.
func (r *round) updateStatus(ctx context.Context, observed int64) error {
	changed := r.ds.DeepCopy()
	r.count(&changed.Status)
	changed.Status.ObservedGeneration = observed

	// A pod becomes available minReadySeconds after it became ready, and no event tells
	// of that: look again then.
	if wait, ok := podset.NextAvailable(r.pods, r.ds.Spec.MinReadySeconds, r.now); ok {
		r.c.loop.AddAfter(r.ds, wait)
	}
	if equality.Semantic.DeepEqual(r.ds.Status, changed.Status) {
		return nil
	}
	_, err := r.c.client.AppsV1().DaemonSets(r.ds.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("writing the status of daemon set %s/%s: %w", r.ds.Namespace, r.ds.Name, err)
	}
	return nil
}

// count goes through the nodes. Of a node's pods, the first in their order is the one
// that counts, so that no number is greater than that of the nodes.
func (r *round) count(s *appsv1.DaemonSetStatus) {
	s.DesiredNumberScheduled, s.CurrentNumberScheduled, s.NumberMisscheduled = 0, 0, 0
	s.NumberReady, s.UpdatedNumberScheduled, s.NumberAvailable = 0, 0, 0
	for _, node := range r.nodes {
		shouldRun, _, _ := nodeShouldRunDaemonPod(r.ds, node)
		pods := r.nodePods[node.Name]
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
		if r.isAvailable(pods[0]) {
			s.NumberAvailable++
		}
		if r.isCurrent(pods[0]) {
			s.UpdatedNumberScheduled++
		}
	}
	s.NumberUnavailable = s.DesiredNumberScheduled - s.NumberAvailable
}
