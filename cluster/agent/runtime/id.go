package runtime

import "strings"

// runtimeType comes before the IDs of containers in a pod's status. It tells whoever
// reads the status which runtime the ID means something to.
const runtimeType = "containerd://"

// ContainerID is a container's ID as a pod's status has it: containerd://ID
// (ContainerID.String in pkg/kubelet/container/runtime.go).
func ContainerID(id string) string { return runtimeType + id }

// ParseContainerID is the runtime's own ID in one of a pod's status, which is empty for
// a container that does not exist.
func ParseContainerID(id string) string {
	if _, own, ok := strings.Cut(id, "://"); ok {
		return own
	}
	return id
}
