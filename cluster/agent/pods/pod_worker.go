package pods

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/agent/status"
	"noriter.dev/noriter/cluster/backoff"
	"noriter.dev/noriter/cluster/conditions"
)

// state is where a pod is in its life on the node: PodWorkerState in
// pkg/kubelet/pod_workers.go (SyncPod, TerminatingPod, TerminatedPod). It only ever goes
// forward. A pod that once began to terminate never runs again; what has to run again is
// another pod, with another UID.
type state string

// The states of a worker.
const (
	syncing     state = "syncing"     // make what the spec says run
	terminating state = "terminating" // stop everything, with grace
	terminated  state = "terminated"  // nothing runs; clean up; wait for the API object to go
	finished    state = "finished"    // the end of the worker
)

// syncs is the work of each state: one look at the pod and the next thing to do. A
// sync says which state comes next and how long to wait for a reason to look again.
var syncs map[state]func(*podWorker, context.Context) (state, time.Duration)

func init() { // not a literal: the functions refer to the table through their workers
	syncs = map[state]func(*podWorker, context.Context) (state, time.Duration){
		syncing:     (*podWorker).syncPod,
		terminating: (*podWorker).syncTerminatingPod,
		terminated:  (*podWorker).syncTerminatedPod,
	}
}

const (
	// again looks again without waiting.
	again = time.Duration(0)
	// resync is the longest a worker goes without a look: the kubelet's --sync-frequency.
	// Nothing should depend on it. It makes up for an event that was lost.
	resync = time.Minute
	// syncRetry is the pause after something failed for which there is no back-off:
	// backOffPeriod in pkg/kubelet/kubelet.go.
	syncRetry = 10 * time.Second
	// runtimeRetry is the pause after the runtime itself could not answer:
	// backOffOnTransientErrorPeriod in pkg/kubelet/pod_workers.go.
	runtimeRetry = time.Second

	// Failed mounts are tried again after mountFirst, which doubles up to mountMost
	// (pkg/util/goroutinemap/exponentialbackoff).
	mountFirst = 500 * time.Millisecond
	mountMost  = 2*time.Minute + 2*time.Second
	// sandboxFirst is the pause after a sandbox failed for the first time; it doubles up
	// to syncRetry, which is upstream's from the start. The usual cause is a pod network
	// that is still being set up, and that takes a second rather than ten.
	sandboxFirst = time.Second
)

// podWorker takes care of one pod. It has two halves: what others tell it, under mu, and
// what only its own goroutine touches and needs no lock for.
type podWorker struct {
	m      *PodWorkers
	uid    types.UID
	orphan bool          // known from the runtime only
	wake   chan struct{} // has room for one word: look again

	mu     sync.Mutex
	pod    *v1.Pod            // the newest the API gave
	gone   bool               // the API has it no more
	cancel context.CancelFunc // of what a sync waits for

	// The rest belongs to the worker's goroutine.

	state state
	// waiting is, by container, why its last start failed, for the container's status
	// (ReasonCache in pkg/kubelet/reason_cache.go).
	waiting   map[string]status.Waiting
	notBefore map[string]time.Time // by start key: when to try again
	override  v1.PodStatus         // the agent's own verdict on the pod, if any
	mounting  retry
	sandbox   retry
	killer    *podKiller // nil unless the pod is being stopped right now
	begun     *terminationRecord
	tornDown  bool      // its volumes are
	goneSince time.Time // when the API object was found gone
}

func newPodWorker(m *PodWorkers, pod *v1.Pod) *podWorker {
	return &podWorker{
		m: m, uid: pod.UID, pod: pod, wake: make(chan struct{}, 1), state: syncing,
		waiting: map[string]status.Waiting{}, notBefore: map[string]time.Time{},
		mounting: retry{Pause: backoff.Pause{First: mountFirst, Most: mountMost}},
		sandbox:  retry{Pause: backoff.Pause{First: sandboxFirst, Most: syncRetry}},
		begun:    newTerminationRecord(),
	}
}

// podWorkerLoop does syncs until the pod is finished or ctx ends (podWorkerLoop in
// pkg/kubelet/pod_workers.go). A change of state is followed by the next sync at once:
// waiting is for news from outside, and there is none to expect.
func (w *podWorker) podWorkerLoop(ctx context.Context) {
	for {
		before := w.state
		next, wait := syncs[w.state](w, ctx)
		w.state = next
		switch {
		case ctx.Err() != nil, next == finished:
			return
		case next != before:
			slog.Debug("pod worker", "uid", string(w.uid), "from", before, "to", next)
			continue
		case wait == again:
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		case <-w.m.Clock.After(wait):
		}
	}
}

// wakeUp makes the worker look again soon. It never blocks. Several calls may become one
// look, because a look sees everything that happened before it.
func (w *podWorker) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// current is the pod as last seen, and whether the API has it no more.
func (w *podWorker) current() (pod *v1.Pod, gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pod, w.gone
}

// update takes a newer version of the pod. What is only an echo of the agent's own
// status needs no look; else every look would cause the next one.
func (w *podWorker) update(pod *v1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.pod
	w.pod = pod
	if pod.DeletionTimestamp != nil {
		w.interrupt()
	}
	if relevant(old, pod) {
		w.wakeUp()
	}
}

// remove notes that the API has the pod no more.
func (w *podWorker) remove(pod *v1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pod, w.gone = pod, true
	w.interrupt()
	w.wakeUp()
}

// interrupt ends what a sync is waiting for: a pull, a volume, a hook. Without it, a pod
// whose image takes minutes could not be deleted sooner. w.mu is held.
func (w *podWorker) interrupt() {
	if w.cancel != nil {
		w.cancel()
	}
}

// interruptible is a context that ends when the pod has to be stopped.
func (w *podWorker) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel = cancel
	if w.gone || w.pod.DeletionTimestamp != nil {
		cancel()
	}
	return ctx, cancel
}

// relevant tells whether a change of the pod can change what there is to do. Labels and
// annotations count because the downward API shows them in volumes; a phase counts if
// someone else ended the pod (an eviction, say); readiness gates are set by others and
// make the pod ready.
func relevant(a, b *v1.Pod) bool {
	if a.Generation != b.Generation || (a.DeletionTimestamp == nil) != (b.DeletionTimestamp == nil) ||
		!ptr.Equal(a.DeletionGracePeriodSeconds, b.DeletionGracePeriodSeconds) ||
		!maps.Equal(a.Labels, b.Labels) || !maps.Equal(a.Annotations, b.Annotations) ||
		a.Status.Phase != b.Status.Phase && status.IsPodPhaseTerminal(b.Status.Phase) {
		return true
	}
	for _, gate := range b.Spec.ReadinessGates {
		if conditionStatus(a, gate.ConditionType) != conditionStatus(b, gate.ConditionType) {
			return true
		}
	}
	return false
}

func conditionStatus(pod *v1.Pod, kind v1.PodConditionType) v1.ConditionStatus {
	if c := conditions.Pod(&pod.Status, kind); c != nil {
		return c.Status
	}
	return ""
}

// retry is a pause that doubles with every failure in a row, and when it is over. The
// worker does not sleep through it: it goes on to publish what happens meanwhile.
type retry struct {
	backoff.Pause
	due time.Time
}

// failed notes a failure at that time and returns the pause.
func (r *retry) failed(at time.Time) time.Duration {
	next := r.Next()
	r.due = at.Add(next)
	return next
}

// left is how long the pause still lasts.
func (r *retry) left(now time.Time) time.Duration { return r.due.Sub(now) }

func (r *retry) succeeded() {
	r.Reset()
	r.due = time.Time{}
}
