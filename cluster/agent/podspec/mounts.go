package podspec

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// makeMounts are the container's volumes, its /etc/hosts and its termination log
// (makeMounts in pkg/kubelet/kubelet_pods.go).
func (n *Node) makeMounts(pod *v1.Pod, container *v1.Container, facts Facts, env []*cri.KeyValue) ([]*cri.Mount, error) {
	var out []*cri.Mount
	ownHosts := false
	for i := range container.VolumeMounts {
		m := &container.VolumeMounts[i]
		mount, err := volumeMount(container, i, facts, env)
		if err != nil {
			return nil, err
		}
		ownHosts = ownHosts || m.MountPath == "/etc/hosts"
		out = append(out, mount)
	}
	if !ownHosts && (len(facts.PodIPs) > 0 || pod.Spec.HostNetwork) {
		path, err := n.writeHosts(pod, facts.PodIPs)
		if err != nil {
			return nil, err
		}
		out = append(out, &cri.Mount{HostPath: path, ContainerPath: "/etc/hosts"})
	}
	if container.TerminationMessagePath != "" {
		path, err := n.terminationLog(pod, container)
		if err != nil {
			return nil, err
		}
		out = append(out, &cri.Mount{HostPath: path, ContainerPath: absolute(container.TerminationMessagePath)})
	}
	return out, nil
}

// volumeMount finds the volume and, in it, the subPath.
func volumeMount(container *v1.Container, index int, facts Facts, env []*cri.KeyValue) (*cri.Mount, error) {
	m := &container.VolumeMounts[index]
	volume, ok := facts.Volumes[m.Name]
	if !ok || volume.HostPath == "" {
		return nil, fmt.Errorf("cannot find volume %q to mount into container %q", m.Name, container.Name)
	}
	host := volume.HostPath
	subPath, err := subPathOf(m, env)
	if err != nil {
		return nil, err
	}
	if subPath != "" {
		if host, err = facts.SubPath(container.Name, index, m.Name, subPath); err != nil {
			return nil, fmt.Errorf("failed to prepare subPath for volumeMount %q of container %q: %w", m.Name, container.Name, err)
		}
	}
	propagation, err := propagationOf(m.MountPropagation)
	if err != nil {
		return nil, err
	}
	return &cri.Mount{
		HostPath: host, ContainerPath: absolute(m.MountPath),
		Readonly: m.ReadOnly || volume.ReadOnly, Propagation: propagation,
	}, nil
}

// subPathOf is the mount's subPath, or its subPathExpr with the container's
// variables filled in; an unknown variable there is an error.
func subPathOf(m *v1.VolumeMount, env []*cri.KeyValue) (string, error) {
	if m.SubPathExpr == "" {
		return m.SubPath, nil
	}
	var missing []string
	path := expand(m.SubPathExpr, func(name string) (string, bool) {
		for _, kv := range env {
			if kv.Key == name {
				return string(kv.Value), true
			}
		}
		missing = append(missing, name)
		return "", false
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("missing value for %q", strings.Join(missing, ", "))
	}
	return path, nil
}

// propagationOf says whether mounts that are made later on one side show up on the other.
func propagationOf(mode *v1.MountPropagationMode) (cri.MountPropagation, error) {
	if mode == nil {
		return cri.MountPropagation_PROPAGATION_PRIVATE, nil
	}
	switch *mode {
	case v1.MountPropagationNone:
		return cri.MountPropagation_PROPAGATION_PRIVATE, nil
	case v1.MountPropagationHostToContainer:
		return cri.MountPropagation_PROPAGATION_HOST_TO_CONTAINER, nil
	case v1.MountPropagationBidirectional:
		return cri.MountPropagation_PROPAGATION_BIDIRECTIONAL, nil
	}
	return 0, fmt.Errorf("invalid MountPropagation mode: %q", *mode)
}

// terminationLog makes the empty file in which a container may leave a message when it
// ends. Each instance of a container has one of its own, so that a restart doesn't
// overwrite what the previous instance said.
func (n *Node) terminationLog(pod *v1.Pod, container *v1.Container) (string, error) {
	dir := filepath.Join(n.PodDir(pod.UID), "containers", container.Name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("making the directory for the termination log: %w", err)
	}
	path := filepath.Join(dir, string(uuid.NewUUID())[:8])
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		return "", fmt.Errorf("making the termination log: %w", err)
	}
	return path, os.Chmod(path, 0o666) // whatever the umask: the container may run as anyone
}

// absolute makes a path relative to / absolute, as the API allows both.
func absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return "/" + path
}
