package loop

import (
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

// staleLimit is how long to wait for the watch to show what we wrote ourselves. Usually
// it takes milliseconds. It is a guard against waiting for ever, and has no counterpart
// upstream.
const staleLimit = 30 * time.Second

// Writes remembers what a loop wrote to the objects of an owner until its cache
// shows them so.
//
// The version check of an update protects the object that is written. It does not
// help where one object is written because of what another one looked like: a
// Deployment that sizes its new ReplicaSet by an old size of the other would break its
// limits. So such a loop does nothing for an owner until all its own writes are seen.
//
// Upstream does the same since 1.36 by resource versions (KEP-5647,
// pkg/controller/util/consistency), for most controllers though not for Deployments.
type Writes struct {
	mu    sync.Mutex
	clock clock.PassiveClock
	made  map[types.UID]map[types.UID]write // by owner, then object
}

type write struct {
	// generation is metadata.generation as the API server answered. It grows with each
	// change of the spec and not with changes of the status, which other loops write all
	// the time.
	generation int64
	at         time.Time
}

// NewWrites starts with none.
func NewWrites(clk clock.PassiveClock) *Writes {
	return &Writes{clock: clk, made: map[types.UID]map[types.UID]write{}}
}

// Note remembers an object as the API server returned it.
func (w *Writes) Note(owner types.UID, obj metav1.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.made[owner] == nil {
		w.made[owner] = map[types.UID]write{}
	}
	w.made[owner][obj.GetUID()] = write{obj.GetGeneration(), w.clock.Now()}
}

// Pending is how long to wait at most for the writes that cached, the owner's objects
// in the cache, do not show; 0 if all have been seen.
func Pending[T metav1.Object](w *Writes, owner types.UID, cached []T) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	made := w.made[owner]
	for _, obj := range cached {
		if obj.GetGeneration() >= made[obj.GetUID()].generation {
			delete(made, obj.GetUID())
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
		delete(w.made, owner)
	}
	return wait
}

// Forget drops what is remembered of an object or an owner that is gone. It has to
// happen before the owner is queued, or the owner waits for what will never be seen. On a
// nil *Writes it does nothing.
func (w *Writes) Forget(uid types.UID) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.made, uid)
	for _, made := range w.made {
		delete(made, uid)
	}
}
