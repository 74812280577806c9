package pods

import (
	"fmt"

	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/prober"
	"noriter.dev/noriter/cluster/agent/runtime"
)

// initVerdict is what follows from the present state of one init container.
type initVerdict struct {
	finished bool // the next one may start
	restart  bool // this one has to be started
	fatal    bool // it failed for good, and the pod with it
}

// computeInitContainerActions goes through the init containers from the last to the
// first: the last one that was ever created shows how far the pod has come. Earlier ones
// are done, except for sidecars, which have to keep running (KEP-753). It returns false
// while there is more to do before the main containers. Source:
// computeInitContainerActions in pkg/kubelet/kuberuntime/kuberuntime_container.go.
//
// Why from the end: an init container that has finished may have been removed since, so
// that nothing of it is left to see.
func (p *podActions) computeInitContainerActions(pod *v1.Pod, have *runtime.Pod, probed probeResults) (done bool) {
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
		v := p.checkInitContainer(pod, c, now, probed)
		switch {
		case v.fatal:
			*p = podActions{killPod: true}
			return false
		case v.restart:
			start = append(start, c)
		}
		if v.finished && i == len(list)-1 {
			done = true
		} else if v.finished && !reached {
			start = append(start, &list[i+1])
		}
		reached = true
	}
	if !reached {
		start = append(start, &list[0]) // nothing was created yet
	}
	// They were found from the last to the first, and start the other way round.
	for i := len(start) - 1; i >= 0; i-- {
		p.containersToStart = append(p.containersToStart, start[i])
	}
	return done
}

// checkInitContainer judges one init container that exists.
func (p *podActions) checkInitContainer(pod *v1.Pod, c *v1.Container, now *runtime.Container, probed probeResults) initVerdict {
	sidecar := podspec.IsSidecar(c)
	switch now.State {
	case runtime.Created:
		return initVerdict{restart: true} // made, but not started: the start failed
	case runtime.Running:
		if !sidecar {
			return initVerdict{}
		}
		return p.checkSidecar(c, now, probed)
	case runtime.Exited:
		if sidecar {
			return initVerdict{restart: true}
		}
		if now.ExitCode == 0 {
			return initVerdict{finished: true}
		}
		restart := podspec.ShouldRestart(&pod.Spec, c, now.ExitCode)
		return initVerdict{restart: restart, fatal: !restart}
	}
	// The runtime can't tell. What may be running must not run twice; and if it may not
	// run again at all, it has to count as failed.
	if !sidecar && !podspec.RestartsOnFailure(&pod.Spec, c) {
		return initVerdict{fatal: true}
	}
	p.containersToKill = append(p.containersToKill, containerToKill{container: now, spec: c,
		message: fmt.Sprintf("Init container is in %q state, try killing it before restart", now.State)})
	return initVerdict{restart: true}
}

// checkSidecar judges a sidecar that runs. The container after it may start once it has
// started, which its startup probe tells if it has one. That a sidecar fails later, and
// is restarted, does not bring the pod back to its init containers.
func (p *podActions) checkSidecar(c *v1.Container, now *runtime.Container, probed probeResults) initVerdict {
	if c.StartupProbe != nil {
		switch r, known := probed(now.ID, prober.Startup); {
		case known && r == prober.Failure:
			p.containersToKill = append(p.containersToKill, containerToKill{container: now, spec: c, probe: prober.Startup, failed: true,
				message: fmt.Sprintf("Init container %s failed startup probe", c.Name)})
			return initVerdict{restart: true}
		case !known || r != prober.Success:
			return initVerdict{} // not started yet: the next container waits
		}
	}
	if now.Hash != runtime.HashContainer(c) {
		p.containersToKill = append(p.containersToKill, containerToKill{container: now, spec: c,
			message: fmt.Sprintf("Init container %s definition changed", c.Name)})
		return initVerdict{finished: true, restart: true}
	}
	if r, known := probed(now.ID, prober.Liveness); c.LivenessProbe != nil && known && r == prober.Failure {
		p.containersToKill = append(p.containersToKill, containerToKill{container: now, spec: c, probe: prober.Liveness, failed: true,
			message: fmt.Sprintf("Init container %s failed liveness probe", c.Name)})
		return initVerdict{finished: true, restart: true}
	}
	return initVerdict{finished: true}
}
