package pods

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/agent/status"
	"noriter.dev/noriter/cluster/backoff"
	"noriter.dev/noriter/cluster/conditions"
)

// State is where a pod is in its life on the node.
type State string

// The states of a worker.
const (
	Syncing     State = "Syncing"     // make what the spec says run
	Terminating State = "Terminating" // stop everything, with grace
	Terminated  State = "Terminated"  // nothing runs; clean up; wait for the API object to go
	Gone        State = "Gone"        // the end of the worker
)

// steps is the work of each state: one look at the pod and the next thing to do. A
// step says which state comes next and how long to wait for a reason to look again.
var steps map[State]func(*worker, context.Context) (State, time.Duration)

func init() { // not a literal: the steps refer to the table through their workers
	steps = map[State]func(*worker, context.Context) (State, time.Duration){
		Syncing:     (*worker).sync,
		Terminating: (*worker).terminate,
		Terminated:  (*worker).cleanUp,
	}
}

const (
	// again looks again without waiting.
	again = time.Duration(0)
	// resync is the longest a worker goes without a look, as upstream's syncFrequency.
	resync = time.Minute
	// syncRetry is the pause after something failed for which there is no back-off.
	syncRetry = 10 * time.Second
	// runtimeRetry is the pause after the runtime itself could not answer.
	runtimeRetry = time.Second
)

// worker takes care of one pod.
type worker struct {
	m      *Manager
	uid    types.UID
	orphan bool // known from the runtime only
	wake   chan struct{}

	mu     sync.Mutex
	pod    *v1.Pod            // the newest the API gave
	gone   bool               // the API has it no more
	cancel context.CancelFunc // of what a sync waits for

	// The rest belongs to the worker's goroutine.
	state     State
	waiting   map[string]status.Waiting // by container: why the last start failed
	notBefore map[string]time.Time      // by start key: when to try again
	override  v1.PodStatus              // the agent's own verdict on the pod, if any
	mounting  retry
	sandbox   retry
	kill      *killing
	hooked    *hookRecord
	tornDown  bool
	goneSince time.Time // when the API object was found gone
}

func newWorker(m *Manager, pod *v1.Pod) *worker {
	return &worker{
		m: m, uid: pod.UID, pod: pod, wake: make(chan struct{}, 1), state: Syncing,
		waiting: map[string]status.Waiting{}, notBefore: map[string]time.Time{},
		mounting: retry{Pause: backoff.Pause{First: 500 * time.Millisecond, Most: 2*time.Minute + 2*time.Second}},
		sandbox:  retry{Pause: backoff.Pause{First: time.Second, Most: syncRetry}},
		hooked:   newHookRecord(),
	}
}

// newOrphan takes care of what is left of a pod that the API knows no more.
func newOrphan(m *Manager, have *runtime.Pod) *worker {
	pod := &v1.Pod{}
	pod.Name, pod.Namespace, pod.UID = have.Name, have.Namespace, have.UID
	if len(have.Sandboxes) > 0 {
		pod.Spec.HostNetwork = have.Sandboxes[0].GetLinux().GetNamespaces().GetOptions().GetNetwork() != 0
	}
	seen := map[string]bool{}
	for _, c := range have.Containers {
		restored, container := runtime.Restored(c.Labels, c.Annotations)
		pod.Name, pod.Namespace = restored.Name, restored.Namespace
		if !seen[c.Name] {
			seen[c.Name] = true
			pod.Spec.Containers = append(pod.Spec.Containers, *container)
		}
	}
	grace := int64(1) // nobody waits for it any more
	pod.DeletionGracePeriodSeconds = &grace
	w := newWorker(m, pod)
	w.orphan, w.gone, w.state = true, true, Terminating
	return w
}

// run does steps until the pod is gone or ctx ends.
func (w *worker) run(ctx context.Context) {
	for {
		before := w.state
		next, wait := steps[w.state](w, ctx)
		w.state = next
		switch {
		case ctx.Err() != nil, next == Gone:
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

func (w *worker) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// current is the pod as last seen, and whether the API has it no more.
func (w *worker) current() (pod *v1.Pod, gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pod, w.gone
}

// update takes a newer version of the pod. What is only an echo of the agent's own
// status needs no look.
func (w *worker) update(pod *v1.Pod) {
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

func (w *worker) delete(pod *v1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pod, w.gone = pod, true
	w.interrupt()
	w.wakeUp()
}

// interrupt ends what a sync is waiting for: a pull, a volume, a hook. w.mu is held.
func (w *worker) interrupt() {
	if w.cancel != nil {
		w.cancel()
	}
}

// interruptible is a context that ends when the pod has to be stopped.
func (w *worker) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel = cancel
	if w.gone || w.pod.DeletionTimestamp != nil {
		cancel()
	}
	return ctx, cancel
}

// relevant tells whether a change of the pod can change what there is to do.
func relevant(a, b *v1.Pod) bool {
	if a.Generation != b.Generation || (a.DeletionTimestamp == nil) != (b.DeletionTimestamp == nil) ||
		!equal(a.DeletionGracePeriodSeconds, b.DeletionGracePeriodSeconds) ||
		!maps.Equal(a.Labels, b.Labels) || !maps.Equal(a.Annotations, b.Annotations) ||
		a.Status.Phase != b.Status.Phase && status.IsTerminal(b.Status.Phase) {
		return true
	}
	for _, gate := range b.Spec.ReadinessGates {
		if conditionStatus(a, gate.ConditionType) != conditionStatus(b, gate.ConditionType) {
			return true
		}
	}
	return false
}

func equal(a, b *int64) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func conditionStatus(pod *v1.Pod, kind v1.PodConditionType) v1.ConditionStatus {
	if c := conditions.Pod(&pod.Status, kind); c != nil {
		return c.Status
	}
	return ""
}

// retry is a pause that doubles with every failure in a row.
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
