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
	"noriter.dev/noriter/cluster/trace"
)

// applyPodActions does what was decided, up to the first step that changes something:
// kill, make the sandbox, start containers (the steps of SyncPod in
// pkg/kubelet/kuberuntime/kuberuntime_manager.go). did is true if something changed; then
// the caller looks again and decides anew. wait is when there is something to do again, 0
// if only an event can tell. untilStop ends when the pod is to be stopped; what must not
// be left half done uses ctx.
func (w *podWorker) applyPodActions(ctx, untilStop context.Context, pod *v1.Pod, have *runtime.Pod, actions podActions, volumes map[string]podspec.Volume) (did bool, wait time.Duration) {
	if actions.createSandbox {
		if left := w.sandbox.left(w.m.Clock.Now()); left > 0 {
			return false, left
		}
		if actions.replaces != "" {
			w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeNormal, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
			trace.Decide(ctx, trace.For(pod), "replace the sandbox", actions.why)
		}
	}
	if actions.killPod {
		killed, err := w.killPod(untilStop, pod, have, gracePeriod(pod))
		if err != nil {
			w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeWarning, "FailedKillPod", fmt.Sprintf("error killing pod: %v", err))
			return false, syncRetry
		}
		if !actions.createSandbox {
			return killed, 0
		}
		w.purgeInitContainers(ctx, pod, have)
	}
	killed, err := w.killContainers(ctx, untilStop, pod, have, actions.containersToKill)
	if err != nil {
		return false, syncRetry
	}
	if killed {
		return true, 0 // look again: the start that follows depends on how it ended
	}

	sandbox, id, err := w.ensureSandbox(ctx, pod, have, actions)
	if err != nil {
		return false, w.sandbox.left(w.m.Clock.Now())
	}
	if actions.createSandbox {
		return true, 0 // publish the pod's address before pulling images for it
	}
	in := instance{sandbox: sandbox, sandboxID: id, facts: w.facts(pod, have, volumes)}
	return w.startContainers(ctx, untilStop, pod, have, actions.containersToStart, in)
}

// killContainers kills single containers, each for its own reason. killed is true if
// there was one.
func (w *podWorker) killContainers(ctx, untilStop context.Context, pod *v1.Pod, have *runtime.Pod, list []containerToKill) (killed bool, err error) {
	for _, k := range list {
		trace.Decide(ctx, trace.For(pod), "kill container "+k.spec.Name, k.message)
		o := killOptions{message: k.message, grace: k.gracePeriod(pod), ip: firstIP(have)}
		if err := w.killContainer(untilStop, pod, k.container, k.spec, o); err != nil {
			slog.Warn("killing a container", "pod", podspec.FormatPod(pod), "container", k.spec.Name, "error", err)
			return killed, err
		}
		killed = true
	}
	return killed, nil
}

// facts are what the configurations of the pod's containers need to know.
func (w *podWorker) facts(pod *v1.Pod, have *runtime.Pod, volumes map[string]podspec.Volume) podspec.Facts {
	facts := podspec.Facts{
		PodIPs: have.IPs, HostIPs: w.m.HostIPs(), Allocatable: w.m.Allocatable(), Volumes: volumes,
		SubPath: func(container string, index int, volume, path string) (string, error) {
			return w.m.Volumes.SubPath(w.uid, container, index, volume, volumes[volume], path)
		},
	}
	if pod.Spec.HostNetwork {
		facts.PodIPs = facts.HostIPs // the runtime gives such a sandbox no address
	}
	return facts
}

// ensureSandbox makes the sandbox that is wanted, or describes the one there is:
// containers are created with the sandbox's configuration, too, and the agent does not
// keep it (createPodSandbox in pkg/kubelet/kuberuntime/kuberuntime_sandbox.go).
func (w *podWorker) ensureSandbox(ctx context.Context, pod *v1.Pod, have *runtime.Pod, actions podActions) (*cri.PodSandboxConfig, string, error) {
	fail := func(err error) error {
		w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeWarning, "FailedCreatePodSandBox", "Failed to create pod sandbox: "+runtime.Message(err))
		pause := w.sandbox.failed(w.m.Clock.Now())
		trace.Decide(ctx, trace.For(pod), "wait before making the sandbox again", err.Error(), "delay", pause.String())
		return err
	}
	attempt := actions.attempt
	if !actions.createSandbox {
		attempt = have.Sandboxes[0].GetMetadata().GetAttempt()
	}
	config, warnings, err := w.m.Node.GeneratePodSandboxConfig(pod, attempt)
	if err != nil {
		return nil, "", fail(err)
	}
	if !actions.createSandbox {
		return config, have.Sandboxes[0].Id, nil
	}
	for _, text := range warnings {
		w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeWarning, "DNSConfigForming", text)
	}
	if err := os.MkdirAll(config.LogDirectory, 0o755); err != nil {
		return nil, "", fail(fmt.Errorf("making the pod's log directory: %w", err))
	}
	// Here the runtime calls the network plugin, which gives the pod its address.
	id, err := w.m.Runtime.RunPodSandbox(ctx, config, "")
	if err != nil {
		return nil, "", fail(err)
	}
	w.sandbox.succeeded()
	return config, id, nil
}
