package scheduler

import "time"

const (
	// podMaxInUnschedulablePods is how long a pod waits for an event at most. After
	// it, the pod is tried all the same: the list of events that help may have a
	// gap. (DefaultPodMaxInUnschedulablePodsDuration upstream.)
	podMaxInUnschedulablePods = 5 * time.Minute
	// flushUnschedulablePodsEvery is how often to look for such pods (PriorityQueue.Run
	// in pkg/scheduler/backend/queue/scheduling_queue.go).
	flushUnschedulablePodsEvery = 30 * time.Second
)

// addUnschedulable puts back a pod that no node can take. requeueOn are the events
// that may change that. (AddUnschedulablePodIfNotPresent upstream.)
func (q *schedulingQueue) addUnschedulable(p *queuedPodInfo, requeueOn clusterEvent) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pods[p.pod.UID] != p || p.place != inFlight {
		return // removed in the meantime
	}
	p.requeueOn, p.errored = requeueOn, false
	q.setBackoff(p)
	// What happened during the attempt is no longer awaited, and the attempt may have
	// looked at that node too early. So the pod gets another one.
	if isPodWorthRequeuing(p, p.inFlightEvents) {
		q.moveTo(backoffQ, p)
		return
	}
	q.moveTo(unschedulablePods, p)
}

// isPodWorthRequeuing is true if one of the events may make room for the pod. Here
// the kind of event decides. Upstream, a plugin's QueueingHintFn also looks at the
// object: whether the node that was added is large enough, for example.
func isPodWorthRequeuing(p *queuedPodInfo, events clusterEvent) bool {
	return p.requeueOn&events != 0
}

// moveAllToActiveOrBackoffQueue wakes the unschedulable pods that an event may help,
// and returns how many. The event handlers call it (eventhandlers.go).
func (q *schedulingQueue) moveAllToActiveOrBackoffQueue(event clusterEvent) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	for p := range q.inFlight {
		p.inFlightEvents |= event
	}
	count := 0
	for p := range q.unschedulablePods {
		if isPodWorthRequeuing(p, event) {
			q.moveToActiveOrBackoffQ(p)
			count++
		}
	}
	return count
}

// moveToActiveOrBackoffQ wakes one pod. If events follow each other quickly, the
// back-off keeps a pod that still does not fit from being tried after each of them.
func (q *schedulingQueue) moveToActiveOrBackoffQ(p *queuedPodInfo) {
	if p.backoffExpiration.After(q.clock.Now()) {
		q.moveTo(backoffQ, p)
		return
	}
	q.moveTo(activeQ, p)
}

// flushUnschedulablePodsLeftover wakes the pods that have waited for too long.
func (q *schedulingQueue) flushUnschedulablePodsLeftover(now time.Time) {
	if now.Before(q.flushAt) {
		return
	}
	q.flushAt = now.Add(flushUnschedulablePodsEvery)
	for p := range q.unschedulablePods {
		if now.Sub(p.failedAt) >= podMaxInUnschedulablePods {
			q.moveToActiveOrBackoffQ(p)
		}
	}
}
