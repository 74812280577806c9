package scheduler

import (
	"container/heap"
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/utils/clock"
)

const (
	initialBackoff = 1 * time.Second
	maxBackoff     = 10 * time.Second
	// maxParked is how long a pod waits for an event that may help it before it is
	// tried all the same, in case that event was missed.
	maxParked = 5 * time.Minute
	// flushEvery is how often to look for such pods.
	flushEvery = 30 * time.Second
)

// change is a kind of event that may make room for a pod.
type change uint

const (
	nodeAdded       change = 1 << iota
	nodeTaints             // taints or spec.unschedulable
	nodeLabels             // labels
	nodeAllocatable        // resources
	podAssigned            // a pod got a node: others may want to be near it
	podGone                // a pod left its node
	podRelabelled
	anyChange = ^change(0)
)

// place is where in the queue a pod is.
type place int

const (
	inFlight   place = iota // being scheduled
	binding                 // has got a node, and the API server is being told
	active                  // next in turn
	backingOff              // may be tried again at its time
	parked                  // waits for an event that may help
)

// entry is a pod without a node.
type entry struct {
	pod      *v1.Pod
	arrived  time.Time
	attempts int
	place    place
	index    int // in its heap

	since   time.Time // parked or backing off since
	readyAt time.Time // end of the back-off
	helpful change    // what may help, from the filters that refused it
	missed  change    // what happened during the attempt, and it may not have seen
	failed  bool      // the last attempt broke, rather than found no node
}

// queue holds the pods that wait for a node, in three places.
//
//	active     → tried in turn: higher priority first, then who came first
//	backingOff → tried again after 1 s, 2 s, 4 s … 10 s, counted from the last try
//	parked     → found no node; comes back when something happens that may help
//
// Parking is what keeps a pod that can't fit from being tried over and over while
// nothing changes. As upstream's queue, it gives pods that are backing off a turn
// when nobody else wants one.
type queue struct {
	mu       sync.Mutex
	clock    clock.WithTicker
	entries  map[types.UID]*entry
	active   entryHeap
	backoff  entryHeap
	parked   map[*entry]bool
	inFlight map[*entry]bool
	flushAt  time.Time     // when to look for pods parked too long
	wake     chan struct{} // something may be ready; holds one signal
}

func newQueue(clk clock.WithTicker) *queue {
	return &queue{
		clock: clk, entries: map[types.UID]*entry{}, parked: map[*entry]bool{}, inFlight: map[*entry]bool{},
		wake: make(chan struct{}, 1), flushAt: clk.Now().Add(flushEvery),
		active: entryHeap{less: func(a, b *entry) bool {
			if pa, pb := corev1helpers.PodPriority(a.pod), corev1helpers.PodPriority(b.pod); pa != pb {
				return pa > pb
			}
			return a.arrived.Before(b.arrived)
		}},
		backoff: entryHeap{less: func(a, b *entry) bool { return a.readyAt.Before(b.readyAt) }},
	}
}

// add takes in a new pod, or notes that one has changed. A change of what the
// filters look at is reason to try it again.
func (q *queue) add(pod *v1.Pod, relevant bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries[pod.UID]
	if e == nil {
		e = &entry{pod: pod, arrived: q.clock.Now(), place: inFlight}
		q.entries[pod.UID] = e
		q.put(e, active)
		return
	}
	e.pod = pod
	switch {
	case !relevant:
	case e.place == inFlight:
		e.missed = anyChange // the attempt in progress looks at the old pod
	case e.place == parked:
		q.revive(e)
	}
}

// remove forgets a pod that is gone, has a node, or is not ours any more.
func (q *queue) remove(uid types.UID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.entries[uid]; e != nil {
		q.takeOut(e)
		delete(q.entries, uid)
	}
}

// pop waits for the next pod to try. It is nil when ctx ends.
func (q *queue) pop(ctx context.Context) *entry {
	for {
		e, wait := q.next()
		if e != nil {
			return e
		}
		var timer <-chan time.Time
		if wait > 0 {
			timer = q.clock.After(wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-q.wake:
		case <-timer:
		}
	}
}

// next takes the pod whose turn it is, or says how long to wait at most.
func (q *queue) next() (*entry, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	for len(q.backoff.entries) > 0 && !q.backoff.entries[0].readyAt.After(now) {
		e := q.backoff.entries[0]
		q.put(e, active)
	}
	if !now.Before(q.flushAt) {
		q.flushAt = now.Add(flushEvery)
		for e := range q.parked {
			if now.Sub(e.since) >= maxParked {
				q.revive(e)
			}
		}
	}
	if len(q.active.entries) > 0 {
		return q.fly(q.active.entries[0]), 0
	}
	wait := q.flushAt.Sub(now)
	for _, e := range q.backoff.entries {
		if !e.failed {
			return q.fly(e), 0 // nobody else is waiting: no need to hold it back
		}
		wait = min(wait, e.readyAt.Sub(now))
	}
	return nil, wait
}

func (q *queue) fly(e *entry) *entry {
	q.put(e, inFlight)
	e.missed = 0
	e.attempts++
	return e
}

// placed ends the attempt of a pod that got a node. It stays known until the watch
// shows it there, so that a failed binding can bring it back.
func (q *queue) placed(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.entries[e.pod.UID] == e && e.place == inFlight {
		q.put(e, binding)
	}
}

// park puts back a pod that no node would have. helpful is what may change that.
func (q *queue) park(e *entry, helpful change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.entries[e.pod.UID] != e || e.place != inFlight {
		return // it went away meanwhile
	}
	e.helpful, e.failed = helpful, false
	q.rest(e)
	if e.missed&helpful != 0 {
		q.put(e, backingOff)
		return
	}
	q.put(e, parked)
}

// retry puts back a pod whose try broke, such as for an error of the API server.
func (q *queue) retry(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.entries[e.pod.UID] != e || e.place != inFlight && e.place != binding {
		return
	}
	e.failed = true
	q.rest(e)
	q.put(e, backingOff)
}

func (q *queue) rest(e *entry) {
	e.since = q.clock.Now()
	wait := initialBackoff
	for i := 1; i < e.attempts && wait < maxBackoff; i++ {
		wait *= 2
	}
	e.readyAt = e.since.Add(min(wait, maxBackoff))
}

// moved brings back the parked pods that a change may help, and returns how many.
func (q *queue) moved(what change) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	for e := range q.inFlight {
		e.missed |= what
	}
	count := 0
	for e := range q.parked {
		if e.helpful&what != 0 {
			q.revive(e)
			count++
		}
	}
	return count
}

// revive takes a parked pod back to its turn, or to the rest of its back-off.
func (q *queue) revive(e *entry) {
	if e.readyAt.After(q.clock.Now()) {
		q.put(e, backingOff)
		return
	}
	q.put(e, active)
}

// put moves an entry to a place, from wherever it is.
func (q *queue) put(e *entry, where place) {
	q.takeOut(e)
	e.place = where
	switch where {
	case active:
		heap.Push(&q.active, e)
	case backingOff:
		heap.Push(&q.backoff, e)
	case parked:
		q.parked[e] = true
	case inFlight:
		q.inFlight[e] = true
	}
	if where == active || where == backingOff {
		select {
		case q.wake <- struct{}{}:
		default: // a signal is waiting already
		}
	}
}

func (q *queue) takeOut(e *entry) {
	switch e.place {
	case active:
		heap.Remove(&q.active, e.index)
	case backingOff:
		heap.Remove(&q.backoff, e.index)
	}
	delete(q.parked, e)
	delete(q.inFlight, e)
}

// counts is how many pods are in each place.
func (q *queue) counts() map[place]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := map[place]int{}
	for _, e := range q.entries {
		n[e.place]++
	}
	return n
}
