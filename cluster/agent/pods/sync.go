package pods

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/agent/status"
	"noriter.dev/noriter/cluster/trace"
)

// sync is one look at a pod that is to run: publish what is, decide what has to be
// done, do it. Whenever something was done it asks to be called again at once, so that
// the result is published without waiting for anything.
func (w *worker) sync(ctx context.Context) (State, time.Duration) {
	pod, gone := w.current()
	if gone || pod.DeletionTimestamp != nil {
		trace.Decide(ctx, trace.For(pod), "stop the pod", "it was deleted", "grace", graceOf(pod))
		return Terminating, again
	}

	// 1. What is there?
	have, err := runtime.Read(ctx, w.m.Runtime, w.uid)
	if err != nil {
		slog.Warn("reading a pod from the runtime", "pod", podspec.Full(pod), "error", err)
		return Syncing, runtimeRetry
	}

	// 2. Say so. A pod that has ended, one way or the other, is only stopped.
	untilDeadline := w.checkDeadline(ctx, pod)
	now := w.publish(pod, have, false, true)
	if status.IsTerminal(now.Phase) {
		if !status.IsTerminal(pod.Status.Phase) {
			trace.Decide(ctx, trace.For(pod), "stop the pod: it is "+string(now.Phase), because(now))
		}
		return Terminating, again
	}

	// 3. Volumes come first: nothing of the pod may run without them.
	syncing, stop := w.interruptible(ctx)
	defer stop()
	volumes, wait := w.mount(syncing, pod)
	if wait > 0 {
		return Syncing, least(wait, untilDeadline)
	}
	w.m.probes.Add(ctx, pod)

	// 4. What has to be done?
	p := makePlan(pod, have, w.m.probes.Verdict)
	w.m.busy.Add(1)
	did, wait := w.carryOut(ctx, syncing, pod, have, p, volumes)
	w.m.busy.Add(-1)
	if did {
		return Syncing, again
	}
	w.prune(ctx, pod, have)
	return Syncing, least(wait, untilDeadline)
}

// least is the shortest of the waits that are set.
func least(waits ...time.Duration) time.Duration {
	shortest := resync
	for _, w := range waits {
		if w > 0 {
			shortest = min(shortest, w)
		}
	}
	return shortest
}

// because says in words why a pod has ended.
func because(s v1.PodStatus) string {
	if s.Message != "" {
		return s.Message
	}
	for _, list := range [][]v1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses} {
		for _, c := range list {
			if t := c.State.Terminated; t != nil && t.ExitCode != 0 {
				return fmt.Sprintf("container %s ended with exit code %d and is not to be restarted", c.Name, t.ExitCode)
			}
		}
	}
	return "all its containers have ended and are not to be restarted"
}

// publish generates the pod's status and hands it to the API.
func (w *worker) publish(pod *v1.Pod, have *runtime.Pod, terminal, running bool) v1.PodStatus {
	before, known := w.m.Statuses.Last(w.uid)
	if !known {
		before = pod.Status
	}
	s := status.Generate(status.Input{
		Pod: pod, Before: before, Runtime: have, Waiting: w.waiting, Probes: w.m.probes,
		HostIPs: w.m.HostIPs(), Stopping: w.state != Syncing, Terminal: terminal, Override: w.override, Now: w.m.Clock.Now(),
	})
	if !w.orphan {
		w.m.Statuses.Set(pod, s, running)
	}
	return s
}

// checkDeadline fails a pod that has been active for longer than it may
// (activeDeadlineSeconds), or tells how long it still may; 0 without a deadline.
func (w *worker) checkDeadline(ctx context.Context, pod *v1.Pod) time.Duration {
	limit := pod.Spec.ActiveDeadlineSeconds
	s, known := w.m.Statuses.Last(w.uid)
	if !known {
		s = pod.Status
	}
	if limit == nil || s.StartTime.IsZero() || w.override.Phase != "" {
		return 0
	}
	left := time.Duration(*limit)*time.Second - w.m.Clock.Since(s.StartTime.Time)
	if left > 0 {
		return left
	}
	const reason, message = "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
	w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeNormal, reason, message)
	w.override = v1.PodStatus{Phase: v1.PodFailed, Reason: reason, Message: message}
	trace.Decide(ctx, trace.For(pod), "fail the pod", message, "activeDeadlineSeconds", *limit)
	return 0
}

// mount makes the pod's volumes ready, or says how long to wait before the next try.
func (w *worker) mount(ctx context.Context, pod *v1.Pod) (map[string]podspec.Volume, time.Duration) {
	if left := w.mounting.left(w.m.Clock.Now()); left > 0 {
		return nil, left
	}
	volumes, err := w.m.Volumes.SetUp(ctx, pod)
	if err == nil {
		w.mounting.succeeded()
		return volumes, 0
	}
	if ctx.Err() != nil {
		return nil, time.Nanosecond // the pod is going away: look again now
	}
	pause := w.mounting.failed(w.m.Clock.Now())
	for _, one := range unjoin(err) {
		w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeWarning, "FailedMount", one.Error())
	}
	trace.Decide(ctx, trace.For(pod), "wait before mounting the volumes again", err.Error(), "delay", pause.String())
	return nil, pause
}

// unjoin takes a joined error apart, so that each volume gets an event of its own.
func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// carryOut does what the plan says. did is true if something changed; wait is when
// there is something to do again, 0 if only an event can tell. syncing ends when the
// pod is to be stopped; what must not be left half done uses ctx.
func (w *worker) carryOut(ctx, syncing context.Context, pod *v1.Pod, have *runtime.Pod, p plan, volumes map[string]podspec.Volume) (did bool, wait time.Duration) {
	if p.newSandbox {
		if left := w.sandbox.left(w.m.Clock.Now()); left > 0 {
			return false, left
		}
		if p.replaces != "" {
			w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeNormal, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
			trace.Decide(ctx, trace.For(pod), "replace the sandbox", p.why)
		}
	}
	if p.killPod {
		stopped, err := w.stopAll(syncing, pod, have)
		if err != nil {
			w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeWarning, "FailedKillPod", fmt.Sprintf("error killing pod: %v", err))
			return false, syncRetry
		}
		if !p.newSandbox {
			return stopped, 0
		}
		w.purgeInit(ctx, pod, have)
	}
	for _, order := range p.kill {
		trace.Decide(ctx, trace.For(pod), "kill container "+order.spec.Name, order.message)
		if err := w.stopContainer(syncing, pod, order.container, order.spec, stopOptions{message: order.message, grace: order.grace(pod), ip: firstIP(have)}); err != nil {
			slog.Warn("killing a container", "pod", podspec.Full(pod), "container", order.spec.Name, "error", err)
			return false, syncRetry
		}
		did = true
	}
	if did {
		return true, 0 // look again: the start that follows depends on how it ended
	}

	sandbox, id, err := w.ensureSandbox(ctx, pod, have, p)
	if err != nil {
		return false, w.sandbox.left(w.m.Clock.Now())
	}
	did = p.newSandbox
	facts := podspec.Facts{
		PodIPs: have.IPs, HostIPs: w.m.HostIPs(), Allocatable: w.m.Allocatable(), Volumes: volumes,
		SubPath: func(container string, index int, volume, path string) (string, error) {
			return w.m.Volumes.SubPath(w.uid, container, index, volume, volumes[volume], path)
		},
	}
	if pod.Spec.HostNetwork {
		facts.PodIPs = facts.HostIPs
	}
	if did {
		return true, 0 // publish the pod's address before pulling images for it
	}
	return w.startAll(ctx, syncing, pod, have, p.start, instance{sandbox: sandbox, sandboxID: id, facts: facts})
}

// ensureSandbox makes the sandbox the plan wants, or describes the one there is.
func (w *worker) ensureSandbox(ctx context.Context, pod *v1.Pod, have *runtime.Pod, p plan) (*cri.PodSandboxConfig, string, error) {
	fail := func(err error) error {
		w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeWarning, "FailedCreatePodSandBox", "Failed to create pod sandbox: "+runtime.Message(err))
		pause := w.sandbox.failed(w.m.Clock.Now())
		trace.Decide(ctx, trace.For(pod), "wait before making the sandbox again", err.Error(), "delay", pause.String())
		return err
	}
	attempt := p.attempt
	if !p.newSandbox {
		attempt = have.Sandboxes[0].GetMetadata().GetAttempt()
	}
	config, warnings, err := w.m.Node.Sandbox(pod, attempt)
	if err != nil {
		return nil, "", fail(err)
	}
	if !p.newSandbox {
		return config, have.Sandboxes[0].Id, nil
	}
	for _, text := range warnings {
		w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeWarning, "DNSConfigForming", text)
	}
	if err := os.MkdirAll(config.LogDirectory, 0o755); err != nil {
		return nil, "", fail(fmt.Errorf("making the pod's log directory: %w", err))
	}
	id, err := w.m.Runtime.RunPodSandbox(ctx, config, "")
	if err != nil {
		return nil, "", fail(err)
	}
	w.sandbox.succeeded()
	return config, id, nil
}
