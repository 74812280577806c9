package deployment

import (
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

// staleLimit is how long to wait for the watch to show what we wrote ourselves.
const staleLimit = 30 * time.Second

// writes remembers what was written to ReplicaSets until the cache shows it.
//
// A change of one ReplicaSet that is computed from an old size of another would break
// the limits, and no version check would notice, because that other one is not
// written. So nothing is done for a Deployment until all its own writes are seen.
type writes struct {
	mu    sync.Mutex
	clock clock.PassiveClock
	made  map[types.UID]map[types.UID]write // by Deployment, then ReplicaSet
}

type write struct {
	generation int64
	at         time.Time
}

// note remembers a ReplicaSet as the API server returned it.
func (w *writes) note(deployment types.UID, rs *appsv1.ReplicaSet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.made[deployment] == nil {
		w.made[deployment] = map[types.UID]write{}
	}
	w.made[deployment][rs.UID] = write{rs.Generation, w.clock.Now()}
}

// pending is how long to wait at most for the writes that sets don't show; 0 if all
// have been seen.
func (w *writes) pending(deployment types.UID, sets []*appsv1.ReplicaSet) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	made := w.made[deployment]
	for _, rs := range sets {
		if rs.Generation >= made[rs.UID].generation {
			delete(made, rs.UID)
		}
	}
	wait := time.Duration(0)
	for uid, write := range made {
		// One that was deleted before the watch showed it would be waited for forever.
		left := staleLimit - w.clock.Since(write.at)
		if left <= 0 {
			delete(made, uid)
			continue
		}
		wait = max(wait, left)
	}
	if len(made) == 0 {
		delete(w.made, deployment)
	}
	return wait
}

// forget drops what is remembered of a ReplicaSet that is gone.
func (w *writes) forget(rs types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, made := range w.made {
		delete(made, rs)
	}
}

// forgetAll drops what is remembered for a Deployment that is gone.
func (w *writes) forgetAll(deployment types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.made, deployment)
}
