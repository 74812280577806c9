package status

import (
	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
)

// getPhase sums the states of a pod's containers up in one word (getPhase in
// pkg/kubelet/kubelet_pods.go):
//
//	Pending    an init container has yet to finish, or a container has yet to start
//	Running    every container was started and one still runs, or will again
//	Succeeded  all ended well and none will run again
//	Failed     all ended, one of them badly, and none will run again
//
// terminal says that nothing of the pod will be started again whatever its
// restartPolicy; initialized, that its main containers were started before.
//
// A pod in CrashLoopBackOff is Running: it will run again. That is why the phase says so
// little, and why kubectl shows a container's reason in its place.
func getPhase(pod *v1.Pod, statuses []v1.ContainerStatus, terminal, initialized bool) v1.PodPhase {
	c := count(&pod.Spec, statuses)
	switch {
	case c.initFailed > 0:
		return v1.PodFailed
	case c.initPending > 0, c.sidecarPending > 0 && !initialized, c.waiting > 0:
		return v1.PodPending
	case c.unknown > 0:
		return v1.PodPending
	case c.running > 0:
		return v1.PodRunning
	case c.stopped == 0:
		return v1.PodPending
	case !terminal && c.stopped != c.stoppedForGood:
		return v1.PodRunning // between two runs of a container
	case c.stopped == c.succeeded:
		return v1.PodSucceeded
	}
	return v1.PodFailed
}

// counts is how many containers are in which situation. Every container is counted once,
// in the group that the phase asks about.
type counts struct {
	initPending, initFailed            int // regular init containers
	sidecarPending                     int
	unknown, running, waiting          int // sidecars and main containers
	stopped, stoppedForGood, succeeded int // main containers
}

func count(spec *v1.PodSpec, statuses []v1.ContainerStatus) counts {
	var c counts
	for i := range spec.InitContainers {
		container := &spec.InitContainers[i]
		status := findContainerStatus(statuses, container.Name)
		if podspec.IsSidecar(container) {
			c.addSidecar(status)
		} else {
			c.addInit(spec, container, status)
		}
	}
	for i := range spec.Containers {
		c.addMain(spec, &spec.Containers[i], findContainerStatus(statuses, spec.Containers[i].Name))
	}
	return c
}

// ended is the container's last exit if it is not running: the present state, or
// while it waits for its next start, the state before.
func ended(s *v1.ContainerStatus) *v1.ContainerStateTerminated {
	switch {
	case s == nil || s.State.Running != nil:
		return nil
	case s.State.Terminated != nil:
		return s.State.Terminated
	case s.State.Waiting != nil:
		return s.LastTerminationState.Terminated
	}
	return nil
}

// addInit counts a regular init container: it matters only while it is not done.
func (c *counts) addInit(spec *v1.PodSpec, container *v1.Container, s *v1.ContainerStatus) {
	exit := ended(s)
	switch {
	case exit == nil:
		c.initPending++
	case exit.ExitCode != 0 && !podspec.ShouldRestart(spec, container, exit.ExitCode):
		c.initFailed++
	}
}

// addSidecar counts a sidecar: the pod is Pending until it has started, and once it ended
// it does not matter.
func (c *counts) addSidecar(s *v1.ContainerStatus) {
	switch {
	case s == nil:
		c.unknown++
	case s.State.Running != nil:
		if s.Started == nil || !*s.Started {
			c.sidecarPending++
		}
		c.running++
	case ended(s) != nil:
	case s.State.Waiting != nil:
		c.sidecarPending++
		c.waiting++
	default:
		c.sidecarPending++
		c.unknown++
	}
}

// addMain counts a main container.
func (c *counts) addMain(spec *v1.PodSpec, container *v1.Container, s *v1.ContainerStatus) {
	exit := ended(s)
	switch {
	case s == nil:
		c.unknown++
	case s.State.Running != nil:
		c.running++
	case exit != nil:
		c.stopped++
		if !podspec.ShouldRestart(spec, container, exit.ExitCode) {
			c.stoppedForGood++
		}
		if exit.ExitCode == 0 && s.State.Terminated != nil {
			c.succeeded++
		}
	case s.State.Waiting != nil:
		c.waiting++
	default:
		c.unknown++
	}
}

func findContainerStatus(statuses []v1.ContainerStatus, name string) *v1.ContainerStatus {
	for i := range statuses {
		if statuses[i].Name == name {
			return &statuses[i]
		}
	}
	return nil
}

// IsPodPhaseTerminal tells whether a pod in that phase will never run again.
func IsPodPhaseTerminal(p v1.PodPhase) bool { return p == v1.PodSucceeded || p == v1.PodFailed }
