package pods

import (
	"fmt"

	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/probe"
	"noriter.dev/noriter/cluster/agent/runtime"
)

// plan is what has to be done to a pod, in this order.
type plan struct {
	// killPod stops everything, the sandbox too: it is unusable, or nothing is left
	// to run in it.
	killPod bool
	kill    []killOrder
	// newSandbox makes a sandbox with number attempt; replaces is the one before.
	newSandbox bool
	attempt    uint32
	replaces   string
	why        string
	// start are the containers to start: ephemeral ones, then init containers, then
	// the main ones.
	start []*v1.Container
}

// killOrder is one running container that must not go on.
type killOrder struct {
	container *runtime.Container
	spec      *v1.Container
	message   string     // of the event Killing
	probe     probe.Kind // whose failure it is, if failed is true
	failed    bool
}

// verdicts tells what probes found of a container.
type verdicts func(containerID string, kind probe.Kind) (probe.Result, bool)

// makePlan decides what a pod needs, from its spec and what the runtime has. It does
// nothing itself. Source: computePodActions in pkg/kubelet/kuberuntime.
func makePlan(pod *v1.Pod, have *runtime.Pod, probed verdicts) plan {
	if verdict := podspec.JudgeSandbox(pod, have); verdict.Needed {
		return planSandbox(pod, have, verdict)
	}
	var p plan
	for i := range pod.Spec.EphemeralContainers {
		c := (*v1.Container)(&pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		if have.Newest(c.Name) == nil { // they are never restarted
			p.start = append(p.start, c)
		}
	}
	if !p.planInit(pod, have, probed) {
		return p
	}
	p.planMain(pod, have, probed)
	return p
}

// planSandbox starts the pod over in a new sandbox, unless it has done its work.
func planSandbox(pod *v1.Pod, have *runtime.Pod, verdict podspec.SandboxVerdict) plan {
	p := plan{killPod: true, newSandbox: true, attempt: verdict.Attempt, replaces: verdict.ID, why: verdict.Why}
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
	case pod.Spec.RestartPolicy == v1.RestartPolicyNever && verdict.Attempt != 0 && len(have.Containers) > 0,
		len(start) == 0 && ran:
		p.newSandbox = false // such a pod is not run twice
	case len(pod.Spec.InitContainers) > 0:
		p.start = []*v1.Container{&pod.Spec.InitContainers[0]}
	default:
		p.start = start
	}
	return p
}

func runsOnce(pod *v1.Pod, c *v1.Container) bool {
	if c.RestartPolicy != nil {
		return *c.RestartPolicy == v1.ContainerRestartPolicyOnFailure
	}
	return pod.Spec.RestartPolicy == v1.RestartPolicyOnFailure
}

// planInit goes through the init containers from the last to the first: the last one
// that was ever created shows how far the pod has come. Earlier ones are done, except
// for sidecars, which have to keep running. It is false while there is more to do
// before the main containers.
func (p *plan) planInit(pod *v1.Pod, have *runtime.Pod, probed verdicts) (done bool) {
	list := pod.Spec.InitContainers
	if len(list) == 0 {
		return true
	}
	done = have.Initialized(&pod.Spec)
	reached := done // an init container further down, or a main one, was created
	var start []*v1.Container
	for i := len(list) - 1; i >= 0; i-- {
		c := &list[i]
		now := have.Active(c.Name)
		switch {
		case now == nil:
			if reached && podspec.IsSidecar(c) {
				start = append(start, c)
			}
			continue
		case reached && !podspec.IsSidecar(c):
			continue
		}
		finished, restart, fatal := p.lookAtInit(pod, c, now, probed)
		switch {
		case fatal:
			*p = plan{killPod: true}
			return false
		case restart:
			start = append(start, c)
		}
		if finished && i == len(list)-1 {
			done = true
		} else if finished && !reached {
			start = append(start, &list[i+1])
		}
		reached = true
	}
	if !reached {
		start = append(start, &list[0])
	}
	for i := len(start) - 1; i >= 0; i-- {
		p.start = append(p.start, start[i])
	}
	return done
}

// lookAtInit judges one init container that exists. finished means that the next one
// may start.
func (p *plan) lookAtInit(pod *v1.Pod, c *v1.Container, now *runtime.Container, probed verdicts) (finished, restart, fatal bool) {
	sidecar := podspec.IsSidecar(c)
	switch now.State {
	case runtime.Created:
		return false, true, false // made, but not started: the start failed
	case runtime.Running:
		if !sidecar {
			return false, false, false
		}
		return p.lookAtSidecar(c, now, probed)
	case runtime.Exited:
		if sidecar {
			return false, true, false
		}
		if now.ExitCode == 0 {
			return true, false, false
		}
		again := podspec.ShouldRestart(&pod.Spec, c, now.ExitCode)
		return false, again, !again
	}
	if !sidecar && !podspec.RestartsOnFailure(&pod.Spec, c) {
		return false, false, true
	}
	p.kill = append(p.kill, killOrder{container: now, spec: c,
		message: fmt.Sprintf("Init container is in %q state, try killing it before restart", now.State)})
	return false, true, false
}

func (p *plan) lookAtSidecar(c *v1.Container, now *runtime.Container, probed verdicts) (finished, restart, fatal bool) {
	if c.StartupProbe != nil {
		switch r, known := probed(now.ID, probe.Startup); {
		case known && r == probe.Failure:
			p.kill = append(p.kill, killOrder{container: now, spec: c, probe: probe.Startup, failed: true,
				message: fmt.Sprintf("Init container %s failed startup probe", c.Name)})
			return false, true, false
		case !known || r != probe.Success:
			return false, false, false
		}
	}
	if now.Hash != runtime.Hash(c) {
		p.kill = append(p.kill, killOrder{container: now, spec: c,
			message: fmt.Sprintf("Init container %s definition changed", c.Name)})
		return true, true, false
	}
	if r, known := probed(now.ID, probe.Liveness); c.LivenessProbe != nil && known && r == probe.Failure {
		p.kill = append(p.kill, killOrder{container: now, spec: c, probe: probe.Liveness, failed: true,
			message: fmt.Sprintf("Init container %s failed liveness probe", c.Name)})
		return true, true, false
	}
	return true, false, false
}

// planMain keeps the main containers running that should.
func (p *plan) planMain(pod *v1.Pod, have *runtime.Pod, probed verdicts) {
	kept, started := 0, 0
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		now := have.Newest(c.Name)
		if now == nil || now.State != runtime.Running {
			if !podspec.ShouldStart(pod, c, now) {
				continue
			}
			p.start = append(p.start, c)
			started++
			if now != nil && now.State == runtime.Unknown {
				// It may be running after all; never run two of them.
				p.kill = append(p.kill, killOrder{container: now, spec: c,
					message: fmt.Sprintf("Container is in %q state, try killing it before restart", now.State)})
			}
			continue
		}
		order, bad := judgeRunning(pod, c, now, probed)
		if !bad {
			kept++
			continue
		}
		if order.restarts {
			order.message += ", will be restarted"
			p.start = append(p.start, c)
			started++
		}
		p.kill = append(p.kill, order.killOrder)
	}
	if kept == 0 && started == 0 {
		*p = plan{killPod: true} // sidecars alone don't keep a pod alive
	}
}

type runningOrder struct {
	killOrder
	restarts bool
}

// judgeRunning finds what is wrong with a running main container, if anything is.
func judgeRunning(pod *v1.Pod, c *v1.Container, now *runtime.Container, probed verdicts) (runningOrder, bool) {
	order := runningOrder{killOrder{container: now, spec: c}, podspec.RestartsOnFailure(&pod.Spec, c)}
	if now.Hash != runtime.Hash(c) {
		order.message = fmt.Sprintf("Container %s definition changed", c.Name)
		order.restarts = true
		return order, true
	}
	for _, kind := range []probe.Kind{probe.Liveness, probe.Startup} {
		if r, known := probed(now.ID, kind); known && r == probe.Failure {
			name := map[probe.Kind]string{probe.Liveness: "liveness", probe.Startup: "startup"}[kind]
			order.message = fmt.Sprintf("Container %s failed %s probe", c.Name, name)
			order.probe, order.failed = kind, true
			return order, true
		}
	}
	return order, false
}
