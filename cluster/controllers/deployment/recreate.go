package deployment

import (
	"context"

	"noriter.dev/noriter/cluster/controllers/podset"
)

// rolloutRecreate is a step of the strategy Recreate (upstream's function of the same
// name): the old pods end, all of them, and only then the new ones start. Two versions
// never run at once, and for a while none does. It is for programs that can't share what
// they write to.
func (r *rollout) rolloutRecreate(ctx context.Context) error {
	scaledDown := false
	for _, rs := range r.oldRSs {
		if *rs.Spec.Replicas == 0 {
			continue
		}
		if _, err := r.scaleReplicaSet(ctx, rs, 0, "the strategy is Recreate: old pods end before new ones start"); err != nil {
			return err
		}
		scaledDown = true
	}
	running, err := r.oldPodsRunning()
	if err != nil {
		return err
	}
	if scaledDown || running {
		r.syncRolloutStatus(ctx)
		return nil // the end of the last pod brings us here again (Controller.podDeleted)
	}
	if err := r.getNewReplicaSet(ctx); err != nil {
		return err
	}
	scaledUp, err := r.scaleReplicaSet(ctx, r.newRS, r.replicas, "no old pods are left")
	if err != nil {
		return err
	}
	return r.finish(ctx, scaledUp)
}

// oldPodsRunning is true while pods of the old ReplicaSets run, those that are on
// their way out included (upstream's function of the same name). The ReplicaSets' status
// does not count these, so the pods are looked at.
func (r *rollout) oldPodsRunning() (bool, error) {
	for _, rs := range r.oldRSs {
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
