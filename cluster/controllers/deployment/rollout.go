package deployment

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"noriter.dev/noriter/cluster/controllers/podset"
)

// rollout is one look at a Deployment and its ReplicaSets.
type rollout struct {
	c      *Controller
	before *appsv1.Deployment // as it was found; never changed
	d      *appsv1.Deployment // with the status as we would like to write it

	fresh *appsv1.ReplicaSet   // with the current template; nil if there is none yet
	old   []*appsv1.ReplicaSet // the others, oldest first

	replicas                 int32 // wanted
	maxSurge, maxUnavailable int32
}

func newRollout(c *Controller, d *appsv1.Deployment, sets []*appsv1.ReplicaSet) *rollout {
	r := &rollout{c: c, before: d, d: d.DeepCopy(), replicas: *d.Spec.Replicas}
	r.maxSurge, r.maxUnavailable = limits(d)
	for _, rs := range sets {
		// Should two have the template, the older one is the current one.
		if r.fresh == nil && sameTemplate(&rs.Spec.Template, &d.Spec.Template) {
			r.fresh = rs
			continue
		}
		r.old = append(r.old, rs)
	}
	return r
}

// limits are maxSurge and maxUnavailable in pods. Of percentages, the surge is
// rounded up and the unavailable down: in doubt there are too many pods rather than
// too few. They can't both be nothing, or nothing could ever move.
func limits(d *appsv1.Deployment) (surge, unavailable int32) {
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
		u = 1
	}
	return int32(s), int32(min(u, replicas))
}

// all are the ReplicaSets, the current one included.
func (r *rollout) all() []*appsv1.ReplicaSet {
	if r.fresh == nil {
		return r.old
	}
	return append(append([]*appsv1.ReplicaSet{}, r.old...), r.fresh)
}

// roll is a step of the strategy RollingUpdate: up if there is room above, else down
// if enough are available.
func (r *rollout) roll(ctx context.Context) error {
	if err := r.ensureFresh(ctx); err != nil {
		return err
	}
	moved, err := r.growFresh(ctx)
	if err == nil && !moved {
		moved, err = r.shrinkOld(ctx)
	}
	if err != nil {
		return err
	}
	return r.finish(ctx, moved)
}

// growFresh gives the new ReplicaSet as many replicas as maxSurge leaves room for.
func (r *rollout) growFresh(ctx context.Context) (bool, error) {
	have := *r.fresh.Spec.Replicas
	if have == r.replicas {
		return false, nil
	}
	if have > r.replicas {
		return r.resize(ctx, r.fresh, r.replicas, "the deployment wants no more")
	}
	return r.resize(ctx, r.fresh, r.roomFor(r.fresh),
		fmt.Sprintf("at most %d pods may exist (%d replicas and maxSurge %d), and %d are asked for", r.replicas+r.maxSurge, r.replicas, r.maxSurge, wanted(r.all())))
}

// roomFor is how many replicas the new ReplicaSet may have now.
func (r *rollout) roomFor(rs *appsv1.ReplicaSet) int32 {
	have := *rs.Spec.Replicas
	if r.d.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType {
		return r.replicas
	}
	others := wanted(r.old)
	room := r.replicas + r.maxSurge - others - have
	return have + max(0, min(room, r.replicas-have))
}

// shrinkOld takes away replicas of the old ReplicaSets that nobody will miss: those
// that do not work anyway, and as many of the others as maxUnavailable allows.
func (r *rollout) shrinkOld(ctx context.Context) (bool, error) {
	if wanted(r.old) == 0 {
		return false, nil
	}
	// New pods that are not available yet may become so or not. Until then they can't
	// stand in for old ones, so they don't count.
	minAvailable := r.replicas - r.maxUnavailable
	pending := *r.fresh.Spec.Replicas - r.fresh.Status.AvailableReplicas
	spare := wanted(r.all()) - minAvailable - pending
	if spare <= 0 {
		return false, nil
	}
	broken, err := r.dropBroken(ctx, spare)
	if err != nil {
		return broken > 0, err
	}
	working, err := r.dropWorking(ctx, minAvailable)
	return broken+working > 0, err
}

// dropBroken takes away old replicas that are not available. Their ReplicaSet
// deletes those first, so nothing is lost; left alone, they could block the rollout.
func (r *rollout) dropBroken(ctx context.Context, most int32) (int32, error) {
	dropped := int32(0)
	for _, rs := range r.old {
		broken := *rs.Spec.Replicas - rs.Status.AvailableReplicas
		count := min(broken, most-dropped)
		if count <= 0 {
			continue
		}
		if _, err := r.resize(ctx, rs, *rs.Spec.Replicas-count, fmt.Sprintf("%d of its replicas are not available", broken)); err != nil {
			return dropped, err
		}
		dropped += count
	}
	return dropped, nil
}

// dropWorking takes away old replicas, oldest ReplicaSet first, as long as enough
// pods of all of them are available.
func (r *rollout) dropWorking(ctx context.Context, minAvailable int32) (int32, error) {
	available := int32(0)
	for _, rs := range r.all() {
		// A ReplicaSet that has just been made smaller may still count pods that it is
		// about to delete.
		available += min(rs.Status.AvailableReplicas, *rs.Spec.Replicas)
	}
	spare, dropped := available-minAvailable, int32(0)
	for _, rs := range r.old {
		count := min(*rs.Spec.Replicas, spare-dropped)
		if count <= 0 {
			continue
		}
		why := fmt.Sprintf("%d pods are available, and %d must be (%d replicas, maxUnavailable %d)", available, minAvailable, r.replicas, r.maxUnavailable)
		if _, err := r.resize(ctx, rs, *rs.Spec.Replicas-count, why); err != nil {
			return dropped, err
		}
		dropped += count
	}
	return dropped, nil
}

// recreate is a step of the strategy Recreate: the old pods end, all of them, and
// only then the new ones start. Two versions never run at once.
func (r *rollout) recreate(ctx context.Context) error {
	moved := false
	for _, rs := range r.old {
		if *rs.Spec.Replicas == 0 {
			continue
		}
		if _, err := r.resize(ctx, rs, 0, "the strategy is Recreate: old pods end before new ones start"); err != nil {
			return err
		}
		moved = true
	}
	running, err := r.oldPodsLeft()
	if err != nil {
		return err
	}
	if moved || running {
		r.observe()
		r.judge(ctx)
		return nil
	}
	if err := r.ensureFresh(ctx); err != nil {
		return err
	}
	moved, err = r.resize(ctx, r.fresh, r.replicas, "no old pods are left")
	if err != nil {
		return err
	}
	return r.finish(ctx, moved)
}

// oldPodsLeft is true while pods of the old ReplicaSets run, those that are on
// their way out included.
func (r *rollout) oldPodsLeft() (bool, error) {
	for _, rs := range r.old {
		if rs.Status.Replicas > 0 {
			return true, nil
		}
		pods, err := podset.Controlled(r.c.pods, rs.UID)
		if err != nil {
			return false, err
		}
		for _, pod := range pods {
			if !podset.IsTerminal(pod) {
				return true, nil
			}
		}
	}
	return false, nil
}

// finish writes down where the rollout stands and tidies up if it is complete.
func (r *rollout) finish(ctx context.Context, moved bool) error {
	if !moved && r.complete(&r.before.Status) {
		if err := r.prune(ctx); err != nil {
			return err
		}
	}
	r.observe()
	r.judge(ctx)
	return nil
}

// resize changes how many replicas a ReplicaSet should have. It is false if it has
// that many already. The version in the update makes it fail if the ReplicaSet has
// changed since our cache heard of it: then all was computed from old numbers.
func (r *rollout) resize(ctx context.Context, rs *appsv1.ReplicaSet, size int32, why string) (bool, error) {
	before := *rs.Spec.Replicas
	changed := rs.DeepCopy()
	changed.Spec.Replicas = &size
	annotated := r.annotateSize(changed)
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
	if r.fresh != nil && r.fresh.UID == updated.UID {
		r.fresh = updated
		return
	}
	for i, rs := range r.old {
		if rs.UID == updated.UID {
			r.old[i] = updated
		}
	}
}

// wanted is the sum of the replicas asked for.
func wanted(sets []*appsv1.ReplicaSet) int32 {
	total := int32(0)
	for _, rs := range sets {
		total += *rs.Spec.Replicas
	}
	return total
}
