package scheduler

import (
	"container/heap"
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

// place is where in the scheduling queue a pod is.
type place int

const (
	inFlight          place = iota // being scheduled
	binding                        // has a node, and the API server is being told
	activeQ                        // waits for its turn
	backoffQ                       // waits for the end of its back-off
	unschedulablePods              // waits for an event that may make room for it
)

// queuedPodInfo is a pod without a node, with what the queue knows of it: upstream's
// QueuedPodInfo (pkg/scheduler/framework/types.go).
type queuedPodInfo struct {
	pod *v1.Pod
	// addedAt is when the pod came into the queue. It stays the same over all
	// attempts. (Upstream's Timestamp is new after each of them.)
	addedAt  time.Time
	attempts int
	place    place
	index    int // in the heap of its place, if that is one

	failedAt          time.Time    // end of the last attempt
	backoffExpiration time.Time    // no attempt before this; tryPop has an exception
	requeueOn         clusterEvent // what may help, from the plugins that rejected it
	// inFlightEvents happened during the attempt, which may not have seen them.
	inFlightEvents clusterEvent
	// errored is true if the last attempt met an error, rather than found no node.
	errored bool
}

// schedulingQueue holds the pods that have no node yet: upstream's PriorityQueue
// (pkg/scheduler/backend/queue/scheduling_queue.go).
//
//	activeQ            higher priority first, then who came first
//	backoffQ           whose back-off ends first
//	unschedulablePods  in no order
//
// A new pod goes to activeQ, and from there it is popped (inFlight). If it gets a
// node, it is binding until the watch shows that node. If an error comes in between,
// it goes to backoffQ, and after the back-off to activeQ again.
//
// If no node can take it, it goes to unschedulablePods. While nothing changes in the
// cluster, another attempt would end the same way and only keep other pods waiting.
// It comes back when an event may make room for it: see unschedulable_pods.go.
type schedulingQueue struct {
	mu                sync.Mutex
	clock             clock.WithTicker
	pods              map[types.UID]*queuedPodInfo // all, in whatever place
	activeQ           queuedPodHeap
	backoffQ          queuedPodHeap
	unschedulablePods map[*queuedPodInfo]bool
	inFlight          map[*queuedPodInfo]bool
	flushAt           time.Time // when to look for pods that are unschedulable for too long
	// changed has a signal if a pod came to activeQ or backoffQ. One signal is enough
	// for several pods, as pop looks at all of the queue anyway.
	changed chan struct{}
}

func newSchedulingQueue(clk clock.WithTicker) *schedulingQueue {
	return &schedulingQueue{
		clock: clk, pods: map[types.UID]*queuedPodInfo{},
		unschedulablePods: map[*queuedPodInfo]bool{}, inFlight: map[*queuedPodInfo]bool{},
		changed: make(chan struct{}, 1), flushAt: clk.Now().Add(flushUnschedulablePodsEvery),
		activeQ:  queuedPodHeap{less: prioritySortLess},
		backoffQ: queuedPodHeap{less: func(a, b *queuedPodInfo) bool { return a.backoffExpiration.Before(b.backoffExpiration) }},
	}
}

// addOrUpdate takes in a new pod, or the new version of a known one. propertiesChanged
// says that something changed which filters look at: then another attempt may end
// differently. (Add and Update upstream.)
func (q *schedulingQueue) addOrUpdate(pod *v1.Pod, propertiesChanged bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.pods[pod.UID]
	if p == nil {
		p = &queuedPodInfo{pod: pod, addedAt: q.clock.Now(), place: inFlight} // in no heap yet
		q.pods[pod.UID] = p
		q.moveTo(activeQ, p)
		return
	}
	p.pod = pod
	switch {
	case !propertiesChanged:
	case p.place == inFlight:
		p.inFlightEvents = allEvents // the attempt in progress looks at the old version
	case p.place == unschedulablePods:
		q.moveToActiveOrBackoffQ(p)
	}
}

// remove takes a pod out that is deleted, has a node, or is not ours any more.
// (Delete upstream.)
func (q *schedulingQueue) remove(uid types.UID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if p := q.pods[uid]; p != nil {
		q.removeFromPlace(p)
		delete(q.pods, uid)
	}
}

// pop waits for the next pod to try. It returns nil when ctx ends.
func (q *schedulingQueue) pop(ctx context.Context) *queuedPodInfo {
	for {
		p, wait := q.tryPop()
		if p != nil {
			return p
		}
		// The ends of back-offs have no timer each: it is enough to look again
		// when the first of them is due.
		var timer <-chan time.Time
		if wait > 0 {
			timer = q.clock.After(wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-q.changed:
		case <-timer:
		}
	}
}

// tryPop returns the pod whose turn it is, or how long to wait at most before it is
// worth asking again.
func (q *schedulingQueue) tryPop() (*queuedPodInfo, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	q.flushBackoffQCompleted(now)
	q.flushUnschedulablePodsLeftover(now)
	if len(q.activeQ.pods) > 0 {
		return q.startAttempt(q.activeQ.pods[0]), 0
	}
	wait := q.flushAt.Sub(now)
	for _, p := range q.backoffQ.pods {
		// The back-off keeps pods that fail from taking the turns of others. While
		// there are no others it is of no use. After an error it spares the API
		// server, so it is kept. (Upstream: SchedulerPopFromBackoffQ, KEP-5142.)
		if !p.errored {
			return q.startAttempt(p), 0
		}
		wait = min(wait, p.backoffExpiration.Sub(now))
	}
	return nil, wait
}

func (q *schedulingQueue) startAttempt(p *queuedPodInfo) *queuedPodInfo {
	q.moveTo(inFlight, p)
	p.inFlightEvents = 0
	p.attempts++
	return p
}

// startBinding ends the attempt of a pod that got a node. The pod stays known until
// the watch shows it on that node, so that it can come back if the binding fails.
func (q *schedulingQueue) startBinding(p *queuedPodInfo) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pods[p.pod.UID] == p && p.place == inFlight {
		q.moveTo(binding, p)
	}
}

// addErrored puts back a pod whose attempt met an error, such as one of the API
// server. The cluster does not have to change for the next attempt to succeed, so
// the pod waits for its back-off alone.
func (q *schedulingQueue) addErrored(p *queuedPodInfo) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pods[p.pod.UID] != p || p.place != inFlight && p.place != binding {
		return // removed in the meantime
	}
	p.errored = true
	q.setBackoff(p)
	q.moveTo(backoffQ, p)
}

// moveTo puts a pod into a place, from wherever it is.
func (q *schedulingQueue) moveTo(where place, p *queuedPodInfo) {
	q.removeFromPlace(p)
	p.place = where
	switch where {
	case activeQ:
		heap.Push(&q.activeQ, p)
	case backoffQ:
		heap.Push(&q.backoffQ, p)
	case unschedulablePods:
		q.unschedulablePods[p] = true
	case inFlight:
		q.inFlight[p] = true
	}
	if where == activeQ || where == backoffQ {
		select {
		case q.changed <- struct{}{}:
		default: // there is a signal already
		}
	}
}

func (q *schedulingQueue) removeFromPlace(p *queuedPodInfo) {
	switch p.place {
	case activeQ:
		heap.Remove(&q.activeQ, p.index)
	case backoffQ:
		heap.Remove(&q.backoffQ, p.index)
	}
	delete(q.unschedulablePods, p)
	delete(q.inFlight, p)
}
