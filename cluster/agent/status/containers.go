package status

import (
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
)

const (
	// Reasons of waiting and lost containers (pkg/kubelet/kubelet_pods.go).
	containerCreating      = "ContainerCreating"
	podInitializing        = "PodInitializing"
	containerStatusUnknown = "ContainerStatusUnknown"

	// exitKilled is what a shell says of a program that SIGKILL ended: 128 + 9.
	exitKilled = 137
)

// convertToAPIContainerStatuses describes one of the pod's lists of containers
// (convertToAPIContainerStatuses in pkg/kubelet/kubelet_pods.go). before are the statuses
// last written, which remember what the runtime has already removed.
func convertToAPIContainerStatuses(in *Input, list []v1.Container, before []v1.ContainerStatus, init bool) []v1.ContainerStatus {
	if len(list) == 0 {
		return nil
	}
	waiting := containerCreating
	if len(in.Pod.Spec.InitContainers) > 0 {
		waiting = podInitializing
	}
	out := make([]v1.ContainerStatus, 0, len(list))
	for i := range list {
		c := &list[i]
		old := findContainerStatus(before, c.Name)
		var s v1.ContainerStatus
		if instances := instancesOf(in.Runtime, c.Name); len(instances) > 0 {
			s = fromRuntime(c, instances, old)
		} else {
			s = fromMemory(in.Pod, c, old, waiting)
		}
		applyWaiting(in, c, &s, init)
		out = append(out, s)
	}
	if !init { // init containers keep their order, which means something
		slices.SortFunc(out, func(a, b v1.ContainerStatus) int { return strings.Compare(a.Name, b.Name) })
	}
	return out
}

// instancesOf are the instances of one container, the newest first.
func instancesOf(have *runtime.Pod, name string) []*runtime.Container {
	var out []*runtime.Container
	for _, c := range have.Containers {
		if c.Name == name {
			out = append(out, c)
		}
	}
	return out
}

// fromRuntime describes a container by its newest instance, and its last
// termination by the one before.
func fromRuntime(c *v1.Container, instances []*runtime.Container, old *v1.ContainerStatus) v1.ContainerStatus {
	newest := instances[0]
	s := v1.ContainerStatus{
		Name: c.Name, Image: newest.Image, ImageID: newest.ImageRef, ContainerID: runtime.ContainerID(newest.ID),
		RestartCount: int32(newest.Restarts), State: stateOf(newest, old),
		VolumeMounts: volumeMounts(c),
		Resources:    c.Resources.DeepCopy(), AllocatedResources: c.Resources.Requests.DeepCopy(),
		User: userOf(newest),
	}
	if old != nil {
		// The runtime may have forgotten instances that were counted.
		s.RestartCount = max(s.RestartCount, old.RestartCount)
		switch {
		case old.ContainerID != s.ContainerID && old.State.Terminated != nil:
			s.LastTerminationState.Terminated = old.State.Terminated
		case old.LastTerminationState.Terminated != nil:
			s.LastTerminationState.Terminated = old.LastTerminationState.Terminated
		}
	}
	if len(instances) > 1 {
		s.LastTerminationState = stateOf(instances[1], nil)
	}
	return s
}

// stateOf is the state of one instance. One that the runtime can't tell anything of, and
// that ran, counts as lost.
func stateOf(c *runtime.Container, old *v1.ContainerStatus) v1.ContainerState {
	switch {
	case c.State == runtime.Running:
		return v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: metav1.NewTime(c.StartedAt)}}
	case c.State == runtime.Exited:
		return v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
			ExitCode: c.ExitCode, Reason: c.Reason, Message: c.Message,
			StartedAt: timeOrEpoch(c), FinishedAt: metav1.NewTime(c.FinishedAt), ContainerID: runtime.ContainerID(c.ID),
		}}
	case c.State == runtime.Unknown && old != nil && old.State.Running != nil:
		return v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
			Reason: containerStatusUnknown, ExitCode: exitKilled,
			Message: "The container could not be located when the pod was terminated",
		}}
	}
	return v1.ContainerState{Waiting: &v1.ContainerStateWaiting{}}
}

// timeOrEpoch is when the container started. One that could not be started has the
// epoch there, as the runtime's 0 reads: kubectl shows 1970.
func timeOrEpoch(c *runtime.Container) metav1.Time {
	if c.StartedAt.IsZero() {
		return metav1.Unix(0, 0)
	}
	return metav1.NewTime(c.StartedAt)
}

func userOf(c *runtime.Container) *v1.ContainerUser {
	u := c.User.GetLinux()
	if u == nil {
		return nil
	}
	return &v1.ContainerUser{Linux: &v1.LinuxContainerUser{UID: u.Uid, GID: u.Gid, SupplementalGroups: u.SupplementalGroups}}
}

// fromMemory describes a container the runtime has nothing of: not created yet, or
// removed. What is known of its past stays; one that ran and vanished ended somehow,
// and saying so keeps the pod from looking as if it had never started.
func fromMemory(pod *v1.Pod, c *v1.Container, old *v1.ContainerStatus, waiting string) v1.ContainerStatus {
	s := v1.ContainerStatus{
		Name: c.Name, Image: c.Image, VolumeMounts: volumeMounts(c),
		State: v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: waiting}},
	}
	switch {
	case old == nil:
		return s
	case old.State.Terminated != nil:
		return *old.DeepCopy()
	}
	s.RestartCount, s.LastTerminationState = old.RestartCount, old.LastTerminationState
	if old.State.Running != nil && s.LastTerminationState.Terminated == nil {
		s.LastTerminationState.Terminated = &v1.ContainerStateTerminated{
			Reason: containerStatusUnknown, ExitCode: exitKilled,
			Message: "The container could not be located when the pod was deleted.  The container used to be Running",
		}
		if pod.DeletionTimestamp == nil {
			s.RestartCount++
		}
	}
	return s
}

// applyWaiting shows why a container that should run doesn't: the reason of its last
// failed start, with the exit before it moved to lastState.
func applyWaiting(in *Input, c *v1.Container, s *v1.ContainerStatus, init bool) {
	now := in.Runtime.Newest(c.Name)
	if init && now != nil && now.State == runtime.Exited && now.ExitCode == 0 && !podspec.IsSidecar(c) {
		return // done, and not to be started again
	}
	if init && now == nil && !podspec.IsSidecar(c) && s.State.Waiting != nil && anyMainContainer(in) {
		s.State = v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
			Reason:  "Completed",
			Message: "Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally",
		}}
		return
	}
	why, failed := in.Waiting[c.Name]
	if !failed || !podspec.ShouldContainerBeRestarted(in.Pod, c, now) {
		return
	}
	if s.State.Terminated != nil {
		s.LastTerminationState = s.State
	}
	s.State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: why.Reason, Message: why.Message}}
}

// anyMainContainer tells whether the pod came as far as its main containers, which proves
// that its init containers ended well.
func anyMainContainer(in *Input) bool {
	for i := range in.Pod.Spec.Containers {
		if in.Runtime.Newest(in.Pod.Spec.Containers[i].Name) != nil {
			return true
		}
	}
	return false
}

// volumeMounts says how each mount came out (KEP-3857).
func volumeMounts(c *v1.Container) []v1.VolumeMountStatus {
	var out []v1.VolumeMountStatus
	for _, m := range c.VolumeMounts {
		s := v1.VolumeMountStatus{Name: m.Name, MountPath: m.MountPath, ReadOnly: m.ReadOnly}
		if m.ReadOnly {
			mode := v1.RecursiveReadOnlyDisabled // the mount itself is, what is mounted below it is not
			s.RecursiveReadOnly = &mode
		}
		out = append(out, s)
	}
	return out
}
