package podset

import (
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

// expectationsTimeout is how long a controller waits for news of what it did before
// it acts on what it sees. A watch that is this late has lost something. The value is
// upstream's ExpectationsTimeout (pkg/controller/controller_utils.go).
const expectationsTimeout = 5 * time.Minute

// Expectations keep a controller from acting twice on old news (upstream's
// UIDTrackingControllerExpectations, pkg/controller/controller_utils.go).
//
// A controller reads from a cache that a watch fills, and so lags behind what the
// controller itself has just done. A ReplicaSet of three that has made three pods
// and looks again at once may still see none, and would make three more. So it notes
// how many creations and which deletions it has asked for, ticks them off as the
// watch tells of them, and does not count pods before all have been seen.
//
// Deletions are ticked off by UID, as each is told twice: when the pod is marked
// for deletion, and when it is gone. Creations are only counted, since a pod's UID
// is not known before it has been made.
//
// They are kept in memory only. A process that starts anew fills its cache first, and
// then nothing that it did before is unseen.
type Expectations struct {
	mu    sync.Mutex
	clock clock.PassiveClock
	byKey map[string]*expected
}

type expected struct {
	creations int
	deletions map[types.UID]bool
	since     time.Time
}

// NewExpectations starts with none.
func NewExpectations(clk clock.PassiveClock) *Expectations {
	return &Expectations{clock: clk, byKey: map[string]*expected{}}
}

// Expect notes, before the requests are sent, that so many pods will be created and
// these deleted (upstream's ExpectCreations and ExpectDeletions). After would be too
// late: the watch can be quicker than the answer.
func (e *Expectations) Expect(key string, creations int, deletions []*v1.Pod) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := &expected{creations: creations, deletions: map[types.UID]bool{}, since: e.clock.Now()}
	for _, pod := range deletions {
		x.deletions[pod.UID] = true
	}
	e.byKey[key] = x
}

// CreationObserved ticks off one creation: it was seen, or it failed and never will be.
// On a nil *Expectations this and the other two that take something away do nothing.
func (e *Expectations) CreationObserved(key string) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	// More pods than expected may appear: those that somebody else made or gave us.
	if x := e.byKey[key]; x != nil && x.creations > 0 {
		x.creations--
	}
}

// DeletionObserved ticks off the deletion of one pod: it was seen, or it failed.
func (e *Expectations) DeletionObserved(key string, pod types.UID) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if x := e.byKey[key]; x != nil {
		delete(x.deletions, pod)
	}
}

// Satisfied is true if everything asked for has been seen, or so much time has
// passed that it is better to trust the cache (upstream's SatisfiedExpectations).
func (e *Expectations) Satisfied(key string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.byKey[key]
	return x == nil || x.creations == 0 && len(x.deletions) == 0 || e.clock.Since(x.since) > expectationsTimeout
}

// Forget drops what is known of a key, because its object is gone (upstream's
// DeleteExpectations). One of the same name may come and must not inherit it.
func (e *Expectations) Forget(key string) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.byKey, key)
}
