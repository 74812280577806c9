package pods

import (
	"context"
	"fmt"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/prober"
	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/backoff"
)

const (
	// minimumGracePeriod is what every container gets between SIGTERM and SIGKILL, in
	// seconds, even when a pod is deleted with --grace-period=0 --force:
	// minimumGracePeriodInSeconds in pkg/kubelet/kuberuntime/kuberuntime_manager.go.
	minimumGracePeriod = 2
	// defaultGracePeriod is the API's default for terminationGracePeriodSeconds.
	defaultGracePeriod = 30
)

// signalHandlersAge is how old a container has to be before it is sent SIGTERM. A program
// that is only just being loaded has no signal handlers yet, and the kernel drops
// signals for the first process of a PID namespace that it has no handler for: the
// container would never see it and use up its whole grace period. Upstream has no such
// wait. Before this one, every twentieth pod that was deleted the moment it was Running
// took 30 s.
const signalHandlersAge = 300 * time.Millisecond

// gracePeriod is how many seconds the pod's containers have to stop: what the delete
// request said, else what the pod asks for; at least 1.
func gracePeriod(pod *v1.Pod) int64 {
	switch {
	case pod.DeletionGracePeriodSeconds != nil:
		return max(1, *pod.DeletionGracePeriodSeconds)
	case pod.Spec.TerminationGracePeriodSeconds != nil:
		return max(1, *pod.Spec.TerminationGracePeriodSeconds)
	}
	return defaultGracePeriod
}

// gracePeriod is the time that a single container has: a probe may have one of its own
// (KEP-2238), so that a program that hangs is not waited for as long as one that works.
func (k containerToKill) gracePeriod(pod *v1.Pod) int64 {
	if k.failed {
		p := k.spec.LivenessProbe
		if k.probe == prober.Startup {
			p = k.spec.StartupProbe
		}
		if p != nil && p.TerminationGracePeriodSeconds != nil {
			return *p.TerminationGracePeriodSeconds
		}
	}
	return gracePeriod(pod)
}

// killOptions says how a container is stopped.
type killOptions struct {
	message string // of the event; "" for the usual one
	grace   int64  // seconds for preStop and SIGTERM together
	turn    []<-chan struct{}
	ip      string // the pod's, for HTTP hooks
}

// killContainer runs the preStop hook, waits for the container's turn, sends its stop
// signal, and SIGKILL when the grace is over (killContainer in
// pkg/kubelet/kuberuntime/kuberuntime_container.go). All of that has to fit into the
// grace period. The signals themselves are the runtime's to send: it is told for how long
// to wait between the two.
func (w *podWorker) killContainer(ctx context.Context, pod *v1.Pod, c *runtime.Container, spec *v1.Container, o killOptions) error {
	if o.message == "" {
		o.message = "Stopping container " + c.Name
	}
	deadline := w.m.Clock.Now().Add(time.Duration(o.grace) * time.Second)
	if w.begun.firstKill(c.ID) {
		w.containerEvent(pod, spec, v1.EventTypeNormal, "Killing", o.message)
	}
	if o.grace > 0 {
		w.executePreStopHook(ctx, pod, c, spec, o)
		w.waitForTurn(ctx, o.turn, deadline)
	}
	w.awaitSignalHandlers(ctx, c)
	left := int64(deadline.Sub(w.m.Clock.Now()).Round(time.Second) / time.Second)
	if err := w.m.Runtime.StopContainer(ctx, c.ID, max(minimumGracePeriod, left)); err != nil && !runtime.IsNotFound(err) {
		return fmt.Errorf("stopping container %s: %w", c.Name, err)
	}
	return nil
}

// awaitSignalHandlers waits until the container has had time to install its signal
// handlers.
func (w *podWorker) awaitSignalHandlers(ctx context.Context, c *runtime.Container) {
	young := signalHandlersAge - w.m.Clock.Since(c.StartedAt)
	if c.StartedAt.IsZero() || young <= 0 {
		return
	}
	_ = backoff.Wait(ctx, w.m.Clock, young) // if ctx ends, so does what follows
}

// terminationRecord remembers which containers' ends were begun, so that a shortened
// grace period doesn't repeat hooks and events.
type terminationRecord struct {
	mu      sync.Mutex
	killed  map[string]bool // by container ID
	preStop map[string]bool // by container ID
}

func newTerminationRecord() *terminationRecord {
	return &terminationRecord{killed: map[string]bool{}, preStop: map[string]bool{}}
}

func (h *terminationRecord) firstKill(id string) bool { return h.first(h.killed, id) }
func (h *terminationRecord) firstHook(id string) bool { return h.first(h.preStop, id) }

func (h *terminationRecord) first(m map[string]bool, id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m[id] {
		return false
	}
	m[id] = true
	return true
}
