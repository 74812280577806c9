package pods

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/probe"
	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/backoff"
	"noriter.dev/noriter/cluster/trace"
)

// minimumGrace is what every container gets between SIGTERM and SIGKILL, in seconds,
// even when a pod is deleted with --grace-period=0 --force.
const minimumGrace = 2

// settleTime is how old a container has to be before it is sent SIGTERM. A program
// that is only just being loaded has no signal handlers yet, and the kernel drops
// signals for the first process of a PID namespace that it has no handler for: the
// container would hear nothing and sit out its whole grace period.
const settleTime = 300 * time.Millisecond

// killing is a pod being stopped, in a goroutine of its own, so that the worker can
// go on to publish how the containers end one after the other.
type killing struct {
	grace  int64
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed
}

// graceOf is how many seconds the pod's containers have to stop: what the delete
// request said, else what the pod asks for; at least 1.
func graceOf(pod *v1.Pod) int64 {
	switch {
	case pod.DeletionGracePeriodSeconds != nil:
		return max(1, *pod.DeletionGracePeriodSeconds)
	case pod.Spec.TerminationGracePeriodSeconds != nil:
		return max(1, *pod.Spec.TerminationGracePeriodSeconds)
	}
	return 30
}

// grace is the time a container killed by a plan has: a probe may have one of its own.
func (o killOrder) grace(pod *v1.Pod) int64 {
	if o.failed {
		p := o.spec.LivenessProbe
		if o.probe == probe.Startup {
			p = o.spec.StartupProbe
		}
		if p != nil && p.TerminationGracePeriodSeconds != nil {
			return *p.TerminationGracePeriodSeconds
		}
	}
	return graceOf(pod)
}

// terminate is one look at a pod that is being stopped.
func (w *worker) terminate(ctx context.Context) (State, time.Duration) {
	pod, _ := w.current()
	have, err := runtime.Read(ctx, w.m.Runtime, w.uid)
	if err != nil {
		slog.Warn("reading a pod from the runtime", "pod", podspec.Full(pod), "error", err)
		return Terminating, runtimeRetry
	}
	w.m.probes.StopLiveness(w.uid)
	w.publish(pod, have, false, true)

	grace := graceOf(pod)
	switch {
	case w.kill == nil:
		w.startKilling(ctx, pod, have, grace)
	case grace < w.kill.grace:
		// Deleted once more, with less patience. What is under way starts over with
		// the new limit; preStop hooks that ran are not repeated.
		trace.Decide(ctx, trace.For(pod), "stop the pod sooner", "its grace period was shortened", "from", w.kill.grace, "to", grace)
		w.kill.cancel()
		<-w.kill.done
		w.startKilling(ctx, pod, have, grace)
	}
	select {
	case <-w.kill.done:
	default:
		return Terminating, resync
	}
	err = w.kill.err
	w.kill = nil
	if err != nil {
		if ctx.Err() == nil {
			w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeWarning, "FailedKillPod", fmt.Sprintf("error killing pod: %v", err))
		}
		return Terminating, runtimeRetry
	}
	have, err = runtime.Read(ctx, w.m.Runtime, w.uid)
	if err != nil || len(have.RunningContainers()) > 0 {
		return Terminating, runtimeRetry
	}
	w.m.probes.Remove(w.uid)
	w.publish(pod, have, true, false)
	return Terminated, again
}

func (w *worker) startKilling(ctx context.Context, pod *v1.Pod, have *runtime.Pod, grace int64) {
	ctx, cancel := context.WithCancel(ctx)
	k := &killing{grace: grace, cancel: cancel, done: make(chan struct{})}
	w.kill = k
	w.m.busy.Add(1)
	go func() {
		defer w.m.busy.Add(-1)
		defer w.wakeUp()
		defer close(k.done)
		defer cancel()
		_, k.err = w.stopPod(ctx, pod, have, grace)
	}()
}

// stopAll stops the pod with the grace its spec gives.
func (w *worker) stopAll(ctx context.Context, pod *v1.Pod, have *runtime.Pod) (stopped bool, err error) {
	return w.stopPod(ctx, pod, have, graceOf(pod))
}

// stopPod stops all containers at the same time, sidecars after those they serve,
// and then the sandboxes. stopped tells whether there was anything to stop.
func (w *worker) stopPod(ctx context.Context, pod *v1.Pod, have *runtime.Pod, grace int64) (stopped bool, err error) {
	running := have.RunningContainers()
	order := newOrder(pod, running)
	errs := make([]error, len(running))
	var wg sync.WaitGroup
	for i, c := range running {
		stopped = true
		wg.Go(func() {
			defer order.ended(c.Name)
			spec := podspec.FindContainer(pod, c.Name)
			if spec == nil {
				_, spec = runtime.Restored(c.Labels, c.Annotations)
			}
			errs[i] = w.stopContainer(ctx, pod, c, spec, stopOptions{grace: grace, turn: order.turn(c.Name), ip: firstIP(have)})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return stopped, err
	}
	for _, s := range have.Sandboxes {
		if s.State != cri.PodSandboxState_SANDBOX_READY {
			continue
		}
		stopped = true
		if err := w.m.Runtime.StopPodSandbox(ctx, s.Id); err != nil && !runtime.IsNotFound(err) {
			return stopped, fmt.Errorf("stopping the sandbox: %w", err)
		}
	}
	return stopped, nil
}

func firstIP(have *runtime.Pod) string {
	if len(have.IPs) == 0 {
		return ""
	}
	return have.IPs[0]
}

// stopOptions says how a container is stopped.
type stopOptions struct {
	message string // of the event; "" for the usual one
	grace   int64  // seconds for preStop and SIGTERM together
	turn    []<-chan struct{}
	ip      string // the pod's, for HTTP hooks
}

// stopContainer runs the preStop hook, waits for the container's turn, sends its stop
// signal, and SIGKILL when the grace is over.
func (w *worker) stopContainer(ctx context.Context, pod *v1.Pod, c *runtime.Container, spec *v1.Container, o stopOptions) error {
	if o.message == "" {
		o.message = "Stopping container " + c.Name
	}
	deadline := w.m.Clock.Now().Add(time.Duration(o.grace) * time.Second)
	if w.hooked.firstKill(c.ID) {
		w.containerEvent(pod, spec, v1.EventTypeNormal, "Killing", o.message)
	}
	if o.grace > 0 {
		w.preStop(ctx, pod, c, spec, o)
		w.awaitTurn(ctx, o.turn, deadline)
	}
	w.settle(ctx, c)
	left := int64(deadline.Sub(w.m.Clock.Now()).Round(time.Second) / time.Second)
	if err := w.m.Runtime.StopContainer(ctx, c.ID, max(minimumGrace, left)); err != nil && !runtime.IsNotFound(err) {
		return fmt.Errorf("stopping container %s: %w", c.Name, err)
	}
	return nil
}

// settle waits until the container has had time to install its signal handlers.
func (w *worker) settle(ctx context.Context, c *runtime.Container) {
	young := settleTime - w.m.Clock.Since(c.StartedAt)
	if c.StartedAt.IsZero() || young <= 0 {
		return
	}
	_ = backoff.Wait(ctx, w.m.Clock, young) // if ctx ends, so does what follows
}

// awaitTurn waits until every container in turn has ended, or the deadline.
func (w *worker) awaitTurn(ctx context.Context, turn []<-chan struct{}, deadline time.Time) {
	for _, ended := range turn {
		left := deadline.Sub(w.m.Clock.Now())
		if left <= 0 {
			return
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return
		case <-w.m.Clock.After(left):
			return
		}
	}
}

// order is in which sequence the containers of a pod with sidecars stop: the main
// ones first, then the sidecars from the last to the first (KEP-753).
type order struct {
	done map[string]chan struct{}
	once map[string]*sync.Once
	wait map[string][]<-chan struct{}
}

func newOrder(pod *v1.Pod, running []*runtime.Container) *order {
	o := &order{done: map[string]chan struct{}{}, once: map[string]*sync.Once{}, wait: map[string][]<-chan struct{}{}}
	for _, c := range running {
		o.done[c.Name], o.once[c.Name] = make(chan struct{}), &sync.Once{}
	}
	var before []<-chan struct{}
	for i := range pod.Spec.Containers {
		if d := o.done[pod.Spec.Containers[i].Name]; d != nil {
			before = append(before, d)
		}
	}
	for i := len(pod.Spec.InitContainers) - 1; i >= 0; i-- {
		c := &pod.Spec.InitContainers[i]
		if d := o.done[c.Name]; d != nil && podspec.IsSidecar(c) {
			o.wait[c.Name] = before
			before = append(before[:len(before):len(before)], d)
		}
	}
	return o
}

func (o *order) turn(name string) []<-chan struct{} { return o.wait[name] }

func (o *order) ended(name string) { o.once[name].Do(func() { close(o.done[name]) }) }
