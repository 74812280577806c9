package scheduler

import "time"

// The first back-off, and the longest: upstream's DefaultPodInitialBackoffDuration
// and DefaultPodMaxBackoffDuration (pkg/scheduler/backend/queue/scheduling_queue.go).
const (
	podInitialBackoff = 1 * time.Second
	podMaxBackoff     = 10 * time.Second
)

// flushBackoffQCompleted moves the pods whose back-off is over to activeQ.
func (q *schedulingQueue) flushBackoffQCompleted(now time.Time) {
	for len(q.backoffQ.pods) > 0 && !q.backoffQ.pods[0].backoffExpiration.After(now) {
		q.moveTo(activeQ, q.backoffQ.pods[0])
	}
}

// setBackoff begins a back-off. It counts from the end of the attempt, so a pod that
// is unschedulable for longer than its back-off has none left when it comes back.
func (q *schedulingQueue) setBackoff(p *queuedPodInfo) {
	p.failedAt = q.clock.Now()
	p.backoffExpiration = p.failedAt.Add(calculateBackoffDuration(p.attempts))
}

// calculateBackoffDuration is 1 s after the first attempt, then 2 s, 4 s, 8 s, and
// 10 s from the fifth on (upstream's function in backend/queue/backoff_queue.go).
func calculateBackoffDuration(attempts int) time.Duration {
	backoff := podInitialBackoff
	// The second condition also prevents an overflow after some 30 attempts.
	for i := 1; i < attempts && backoff < podMaxBackoff; i++ {
		backoff *= 2
	}
	return min(backoff, podMaxBackoff)
}
