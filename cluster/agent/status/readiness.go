package status

import (
	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
)

// setReadiness fills in started and ready of every container (UpdatePodStatus in
// pkg/kubelet/prober/prober_manager.go). For an init container, ready means something
// else than for the others: that it is done.
func setReadiness(s *v1.PodStatus, in *Input) {
	for i := range s.ContainerStatuses {
		cs := &s.ContainerStatuses[i]
		setContainerReadiness(in, podspec.FindContainer(in.Pod, cs.Name), cs, findContainerStatus(in.Before.ContainerStatuses, cs.Name))
	}
	for i := range s.InitContainerStatuses {
		cs := &s.InitContainerStatuses[i]
		c := podspec.FindContainer(in.Pod, cs.Name)
		setContainerReadiness(in, c, cs, findContainerStatus(in.Before.InitContainerStatuses, cs.Name))
		if !podspec.IsSidecar(c) {
			cs.Ready = cs.State.Terminated != nil && cs.State.Terminated.ExitCode == 0
		}
	}
}

// setContainerReadiness asks the probes. They are given what was known of the same
// instance before, so that one found again after a restart of the agent stays as ready as
// it was.
func setContainerReadiness(in *Input, c *v1.Container, cs, before *v1.ContainerStatus) {
	cs.Started, cs.Ready = nil, false
	if before != nil && before.ContainerID == cs.ContainerID {
		cs.Started, cs.Ready = before.Started, before.Ready
	}
	running := cs.State.Running != nil
	started := running && in.Probes.Started(in.Pod, c, cs)
	cs.Started = &started
	cs.Ready = started && in.Probes.Ready(in.Pod, c, cs)
}
