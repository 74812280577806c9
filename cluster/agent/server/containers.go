package server

import (
	"strings"

	v1 "k8s.io/api/core/v1"
)

// runtimeName comes before "://" in the IDs of a pod's status.
const runtimeName = "containerd"

// bareID is the runtime's own ID.
func bareID(id string) string {
	if _, bare, ok := strings.Cut(id, "://"); ok {
		return bare
	}
	return id
}

// containerStatus finds the status of a container of any kind.
func containerStatus(pod *v1.Pod, name string) *v1.ContainerStatus {
	st := &pod.Status
	for _, list := range [][]v1.ContainerStatus{st.ContainerStatuses, st.InitContainerStatuses, st.EphemeralContainerStatuses} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// hasContainer reports whether the spec has a container of that name.
func hasContainer(pod *v1.Pod, name string) bool {
	_, ok := containerTTY(pod, name)
	return ok
}

// containerTTY reports whether a container of the spec has a terminal.
func containerTTY(pod *v1.Pod, name string) (tty, ok bool) {
	for _, list := range [][]v1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == name {
				return list[i].TTY, true
			}
		}
	}
	for i := range pod.Spec.EphemeralContainers {
		if c := &pod.Spec.EphemeralContainers[i]; c.Name == name {
			return c.TTY, true
		}
	}
	return false, false
}

// runningID is the runtime's ID of a container that runs, or "".
func runningID(pod *v1.Pod, name string) string {
	st := containerStatus(pod, name)
	if st == nil || st.State.Running == nil {
		return ""
	}
	return bareID(st.ContainerID)
}
