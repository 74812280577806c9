package pods

import (
	"fmt"

	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/prober"
	"noriter.dev/noriter/cluster/agent/runtime"
)

// podActions is what has to be done to a pod, in this order (podActions in
// pkg/kubelet/kuberuntime/kuberuntime_manager.go).
type podActions struct {
	// killPod stops everything, the sandbox too: it is unusable, or nothing is left
	// to run in it.
	killPod          bool
	containersToKill []containerToKill
	// createSandbox makes a sandbox with number attempt; replaces is the one before, and
	// why says what is wrong with that one.
	createSandbox bool
	attempt       uint32
	replaces      string
	why           string
	// containersToStart are ephemeral ones, then init containers, then the main ones.
	containersToStart []*v1.Container
}

// containerToKill is one running container that must not go on.
type containerToKill struct {
	container *runtime.Container
	spec      *v1.Container
	message   string      // of the event Killing
	probe     prober.Kind // whose failure it is, if failed is true
	failed    bool
}

// probeResults tells what probes found of a container; false if they have not decided.
type probeResults func(containerID string, kind prober.Kind) (prober.Result, bool)

// computePodActions decides what a pod needs, from its spec and what the runtime has. It
// does nothing itself, so every rule can be tested without a runtime. Source:
// computePodActions in pkg/kubelet/kuberuntime/kuberuntime_manager.go.
func computePodActions(pod *v1.Pod, have *runtime.Pod, probed probeResults) podActions {
	// Containers share their sandbox's network and address. Without a good sandbox
	// nothing else matters: all of them have to start over in a new one.
	if change := podspec.PodSandboxChanged(pod, have); change.Changed {
		return computeSandboxActions(pod, have, change)
	}
	var p podActions
	// Ephemeral containers (kubectl debug) don't wait for init containers: they may be
	// there to find out why one of those hangs.
	for i := range pod.Spec.EphemeralContainers {
		c := (*v1.Container)(&pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		if have.Newest(c.Name) == nil { // they are never restarted
			p.containersToStart = append(p.containersToStart, c)
		}
	}
	if !p.computeInitContainerActions(pod, have, probed) {
		return p
	}
	p.computeMainContainerActions(pod, have, probed)
	return p
}

// computeSandboxActions starts the pod over in a new sandbox, unless it has done its work.
func computeSandboxActions(pod *v1.Pod, have *runtime.Pod, change podspec.SandboxChange) podActions {
	p := podActions{killPod: true, createSandbox: true, attempt: change.Attempt, replaces: change.ID, why: change.Why}
	ran := false
	var start []*v1.Container
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		last := have.Newest(c.Name)
		ran = ran || last != nil
		if last != nil && last.State == runtime.Exited && last.ExitCode == 0 && runsOnce(pod, c) {
			continue // it succeeded before
		}
		start = append(start, c)
	}
	switch {
	case pod.Spec.RestartPolicy == v1.RestartPolicyNever && change.Attempt != 0 && len(have.Containers) > 0,
		len(start) == 0 && ran:
		p.createSandbox = false // such a pod is not run twice
	case len(pod.Spec.InitContainers) > 0:
		// What they prepared may be gone with the old sandbox: all of them run again,
		// one after the other, and the looks that follow start the rest.
		p.containersToStart = []*v1.Container{&pod.Spec.InitContainers[0]}
	default:
		p.containersToStart = start
	}
	return p
}

// runsOnce tells whether a container that succeeded stays so.
func runsOnce(pod *v1.Pod, c *v1.Container) bool {
	if c.RestartPolicy != nil {
		return *c.RestartPolicy == v1.ContainerRestartPolicyOnFailure
	}
	return pod.Spec.RestartPolicy == v1.RestartPolicyOnFailure
}

// computeMainContainerActions keeps the main containers running that should. Those that
// have to be replaced are killed now and started by a later look, which finds them dead.
func (p *podActions) computeMainContainerActions(pod *v1.Pod, have *runtime.Pod, probed probeResults) {
	kept, started := 0, 0
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		now := have.Newest(c.Name)
		if now == nil || now.State != runtime.Running {
			if !podspec.ShouldContainerBeRestarted(pod, c, now) {
				continue
			}
			p.containersToStart = append(p.containersToStart, c)
			started++
			if now != nil && now.State == runtime.Unknown {
				// It may be running after all; never run two of them.
				p.containersToKill = append(p.containersToKill, containerToKill{container: now, spec: c,
					message: fmt.Sprintf("Container is in %q state, try killing it before restart", now.State)})
			}
			continue
		}
		kill, restart := checkRunning(pod, c, now, probed)
		if kill == nil {
			kept++
			continue
		}
		if restart {
			kill.message += ", will be restarted"
			p.containersToStart = append(p.containersToStart, c)
			started++
		}
		p.containersToKill = append(p.containersToKill, *kill)
	}
	if kept == 0 && started == 0 {
		*p = podActions{killPod: true} // sidecars alone don't keep a pod alive
	}
}

// checkRunning finds what is wrong with a running main container, nil if nothing is, and
// whether it is to be started again.
func checkRunning(pod *v1.Pod, c *v1.Container, now *runtime.Container, probed probeResults) (kill *containerToKill, restart bool) {
	kill = &containerToKill{container: now, spec: c}
	// Of a running container only the image can be changed. Whoever does so wants the new one
	// to run, whatever the restart policy says.
	if now.Hash != runtime.HashContainer(c) {
		kill.message = fmt.Sprintf("Container %s definition changed", c.Name)
		return kill, true
	}
	for _, kind := range []prober.Kind{prober.Liveness, prober.Startup} {
		if r, known := probed(now.ID, kind); known && r == prober.Failure {
			name := map[prober.Kind]string{prober.Liveness: "liveness", prober.Startup: "startup"}[kind]
			kill.message = fmt.Sprintf("Container %s failed %s probe", c.Name, name)
			kill.probe, kill.failed = kind, true
			return kill, podspec.RestartsOnFailure(&pod.Spec, c)
		}
	}
	return nil, false
}
