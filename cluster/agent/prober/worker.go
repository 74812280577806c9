package prober

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/status"
	"noriter.dev/noriter/cluster/trace"
)

// worker runs one probe of one container, over all of the container's restarts (worker in
// pkg/kubelet/prober/worker.go).
type worker struct {
	m         *Manager
	pod       atomic.Pointer[v1.Pod]
	container *v1.Container
	kind      Kind
	spec      *v1.Probe
	trigger   chan struct{}
	cancel    context.CancelFunc

	id         string // of the instance being probed
	lastResult Result // of the last single probe
	resultRun  int32  // how often in a row it came out so
	onHold     bool   // nothing to probe until there is another instance
}

func newWorker(m *Manager, pod *v1.Pod, c *v1.Container, kind Kind) *worker {
	w := &worker{m: m, container: c, kind: kind, spec: kind.spec(c), trigger: make(chan struct{}, 1)}
	w.pod.Store(pod)
	return w
}

// probeNow asks for a probe before its time. It does not wait for it.
func (w *worker) probeNow() {
	select {
	case w.trigger <- struct{}{}:
	default:
	}
}

// run probes every period until ctx ends or the container is not to run again.
func (w *worker) run(ctx context.Context) {
	defer w.m.removeWorker(probeKey{w.pod.Load().UID, w.container.Name, w.kind}, w)
	defer func() {
		if w.id != "" {
			w.m.results.remove(w.id, w.kind)
		}
	}()
	period := time.Duration(max(1, w.spec.PeriodSeconds)) * time.Second
	if w.m.clock.Since(w.m.started) < period {
		// The agent has just started and finds many pods: spread their probes, which would
		// else all come in the same moment for ever.
		select {
		case <-ctx.Done():
			return
		case <-w.m.clock.After(time.Duration(rand.Float64() * float64(period))):
		case <-w.trigger:
		}
	}
	ticker := w.m.clock.NewTicker(period)
	defer ticker.Stop()
	for w.doProbe(ctx) {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		case <-w.trigger:
			ticker.Stop()
			ticker = w.m.clock.NewTicker(period) // the period counts from here
		}
	}
}

// doProbe looks at the container once and tells whether to go on. Most of it is about when
// not to probe.
func (w *worker) doProbe(ctx context.Context) (goOn bool) {
	pod := w.pod.Load()
	podStatus, known := w.m.last(pod.UID)
	if !known {
		return true
	}
	if status.IsPodPhaseTerminal(podStatus.Phase) {
		return false
	}
	s := podspec.FindContainerStatus(&podStatus, w.container.Name)
	if s == nil || s.ContainerID == "" {
		return true // not created yet
	}
	w.followRestart(ctx, pod, s)
	switch {
	case w.onHold:
		return true // decided for this instance
	case s.State.Running == nil:
		w.setResult(ctx, pod, Failure, "it is not running")
		return s.State.Terminated == nil || podspec.ShouldRestart(&pod.Spec, w.container, s.State.Terminated.ExitCode)
	case pod.DeletionTimestamp != nil && w.kind != Readiness:
		w.setResult(ctx, pod, Success, "the pod is being deleted")
		return false
	case w.m.clock.Since(s.State.Running.StartedAt.Time) < time.Duration(w.spec.InitialDelaySeconds)*time.Second:
		return true
	}
	// A slow start must not look like a hang, and no request may come before it is over.
	if started := s.Started != nil && *s.Started; started == (w.kind == Startup) {
		return true // startup probes end where the others begin
	}
	w.countResult(ctx, pod, w.m.prober.probe(ctx, w.kind, w.spec, pod, &podStatus, w.container, w.id))
	return true
}

// followRestart notices that the container was restarted and starts over: what is known of
// the instance before says nothing about this one.
func (w *worker) followRestart(ctx context.Context, pod *v1.Pod, s *v1.ContainerStatus) {
	id := idOf(s)
	if id == w.id {
		return
	}
	if w.id != "" {
		w.m.results.remove(w.id, w.kind)
	}
	w.id, w.onHold, w.lastResult, w.resultRun = id, false, Unknown, 0
	if r := s.State.Running; r != nil && r.StartedAt.Time.Before(w.m.started.Truncate(time.Second)) {
		// It ran before the agent did: its results are in its status and stay until
		// probing says otherwise.
		if w.kind == Startup && s.Started != nil && *s.Started {
			w.setResult(ctx, pod, Success, "")
		}
		return
	}
	w.setResult(ctx, pod, w.kind.initial(), "")
}

// countResult counts the result of one probe against the thresholds: only so many in a row
// decide something. A single lost packet restarts no container.
func (w *worker) countResult(ctx context.Context, pod *v1.Pod, r Result) {
	if r == Unknown || ctx.Err() != nil {
		return // the probe itself went wrong: that says nothing about the container
	}
	if r == w.lastResult {
		w.resultRun++
	} else {
		w.lastResult, w.resultRun = r, 1
	}
	if r == Failure && w.resultRun < max(1, w.spec.FailureThreshold) || r == Success && w.resultRun < max(1, w.spec.SuccessThreshold) {
		return
	}
	w.setResult(ctx, pod, r, fmt.Sprintf("its %s probe %s %d times in a row", strings.ToLower(w.kind.String()),
		map[Result]string{Success: "succeeded", Failure: "failed"}[r], w.resultRun))
	if w.kind == Liveness && r == Failure || w.kind == Startup {
		// The instance will be killed, or is started for good: nothing more to ask it.
		w.onHold, w.resultRun = true, 0
	}
}

// setResult notes what was decided and, if it is another than before, tells the pod's
// worker. why is for whoever reads the decisions; "" for what is only assumed at first.
func (w *worker) setResult(ctx context.Context, pod *v1.Pod, r Result, why string) {
	if !w.m.results.set(w.id, w.kind, r) {
		return
	}
	if why != "" {
		trace.Decide(ctx, trace.For(pod), consequences[w.kind][r], why, "container", w.container.Name)
	}
	w.m.changed(pod.UID)
}

// consequences says in words what follows from a result.
var consequences = map[Kind]map[Result]string{
	Startup:   {Success: "take the container for started", Failure: "restart the container: it does not start"},
	Liveness:  {Success: "take the container for alive", Failure: "restart the container: it is not alive"},
	Readiness: {Success: "take the container for ready", Failure: "take the container for not ready: no traffic"},
}
