package deployment

import (
	"context"
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"noriter.dev/noriter/cluster/trace"
)

// rollout is one sync of a Deployment: what was found, and what has become of it.
type rollout struct {
	c      *Controller
	before *appsv1.Deployment // as it was found; never changed
	d      *appsv1.Deployment // with the status as we would like to write it

	newRS  *appsv1.ReplicaSet   // with the current template; nil if there is none yet
	oldRSs []*appsv1.ReplicaSet // the others, oldest first

	replicas                 int32 // spec.replicas of the Deployment
	maxSurge, maxUnavailable int32 // in pods
}

// newRollout sorts the ReplicaSets into the new one and the old ones (upstream's
// FindNewReplicaSet).
func newRollout(c *Controller, d *appsv1.Deployment, sets []*appsv1.ReplicaSet) *rollout {
	r := &rollout{c: c, before: d, d: d.DeepCopy(), replicas: *d.Spec.Replicas}
	r.maxSurge, r.maxUnavailable = resolveFenceposts(d)
	for _, rs := range sets {
		// Should two have the template, the older one is the new ReplicaSet: so every
		// sync chooses the same.
		if r.newRS == nil && equalIgnoreHash(&rs.Spec.Template, &d.Spec.Template) {
			r.newRS = rs
			continue
		}
		r.oldRSs = append(r.oldRSs, rs)
	}
	return r
}

// equalIgnoreHash compares templates without the hash that the ReplicaSet's one has as a
// label (upstream's EqualIgnoreHash). The hash itself is not compared: it may come out
// different in another version of Kubernetes, and then every Deployment would roll.
func equalIgnoreHash(a, b *v1.PodTemplateSpec) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	delete(a.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	delete(b.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return equality.Semantic.DeepEqual(a, b)
}

// resolveFenceposts are maxSurge and maxUnavailable in pods (upstream's
// ResolveFenceposts). Of percentages, the surge is rounded up and the unavailable down:
// rather one pod too many than one too few. They can't both be nothing, or
// nothing could ever move. With the default of 25 % each, 4 replicas give 1 and 1, and a
// single replica gives 1 and 0.
func resolveFenceposts(d *appsv1.Deployment) (surge, unavailable int32) {
	if d.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType || d.Spec.Strategy.RollingUpdate == nil {
		return 0, 0
	}
	replicas := int(*d.Spec.Replicas)
	zero := intstr.FromInt32(0)
	rolling := d.Spec.Strategy.RollingUpdate
	// The API server has validated them; what it can't read counts as 0.
	s, errS := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(rolling.MaxSurge, zero), replicas, true)
	u, errU := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(rolling.MaxUnavailable, zero), replicas, false)
	if errS != nil {
		s = 0
	}
	if errU != nil {
		u = 0
	}
	if s == 0 && u == 0 {
		u = 1 // rather than a surge, for which a quota may leave no room
	}
	return int32(s), int32(min(u, replicas))
}

// allRSs are the ReplicaSets, the new one included.
func (r *rollout) allRSs() []*appsv1.ReplicaSet {
	if r.newRS == nil {
		return r.oldRSs
	}
	return append(append([]*appsv1.ReplicaSet{}, r.oldRSs...), r.newRS)
}

// replicaCount is the sum of the replicas asked for (upstream's
// GetReplicaCountForReplicaSets). What is asked for counts, and not how many pods there
// are: the ReplicaSets' controller will make or delete the difference.
func replicaCount(sets []*appsv1.ReplicaSet) int32 {
	total := int32(0)
	for _, rs := range sets {
		total += *rs.Spec.Replicas
	}
	return total
}

// scaleReplicaSet changes how many replicas a ReplicaSet should have (upstream's function
// of the same name). It is false if it has that many already. The version in the update
// makes it fail if the ReplicaSet has changed since our cache heard of it: then all was
// computed from old numbers.
func (r *rollout) scaleReplicaSet(ctx context.Context, rs *appsv1.ReplicaSet, size int32, why string) (bool, error) {
	before := *rs.Spec.Replicas
	changed := rs.DeepCopy()
	changed.Spec.Replicas = &size
	annotated := r.setReplicasAnnotations(changed)
	if before == size && !annotated {
		return false, nil
	}
	if before != size {
		r.decide(ctx, fmt.Sprintf("%s from %d to %d", rs.Name, before, size), why)
	}
	updated, err := r.c.client.AppsV1().ReplicaSets(rs.Namespace).Update(ctx, changed, metav1.UpdateOptions{})
	if err != nil {
		return false, fmt.Errorf("scaling replica set %s/%s to %d: %w", rs.Namespace, rs.Name, size, err)
	}
	r.wrote(updated)
	if before == size {
		return false, nil
	}
	direction := "up"
	if size < before {
		direction = "down"
	}
	r.c.events.Eventf(r.d, v1.EventTypeNormal, "ScalingReplicaSet", "Scaled %s replica set %s from %d to %d", direction, rs.Name, before, size)
	return true, nil
}

// wrote puts the newest version of a ReplicaSet in the place of the one we have.
func (r *rollout) wrote(updated *appsv1.ReplicaSet) {
	r.c.writes.Note(r.d.UID, updated)
	if r.newRS != nil && r.newRS.UID == updated.UID {
		r.newRS = updated
		return
	}
	for i, rs := range r.oldRSs {
		if rs.UID == updated.UID {
			r.oldRSs[i] = updated
		}
	}
}

// updateStatus writes what the step has found and noted, if that is news. The Deployment's
// revision annotation goes with it.
func (r *rollout) updateStatus(ctx context.Context) error {
	if equality.Semantic.DeepEqual(r.before.Status, r.d.Status) && maps.Equal(r.before.Annotations, r.d.Annotations) {
		r.requeueStuckDeployment()
		return nil
	}
	_, err := r.c.client.AppsV1().Deployments(r.d.Namespace).UpdateStatus(ctx, r.d, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing the status of deployment %s/%s: %w", r.d.Namespace, r.d.Name, err)
	}
	return nil
}

func (r *rollout) decide(ctx context.Context, what, why string, kv ...any) {
	trace.Decide(ctx, trace.For(r.d), what, why, kv...)
}
