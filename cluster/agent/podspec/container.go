package podspec

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/agent/runtime"
)

// Instance says which instance of a container is to be made.
type Instance struct {
	Restarts int       // how many came before it
	ImageRef string    // the image as the runtime resolved it
	User     ImageUser // of the image
	TargetID string    // the container whose PID namespace an ephemeral container joins
}

// GenerateContainerConfig describes one container to the runtime (generateContainerConfig
// in pkg/kubelet/kuberuntime/kuberuntime_container.go). An error is one that
// the user has to correct (a missing ConfigMap key, a non-root rule), and the container
// then waits with reason CreateContainerConfigError.
func (n *Node) GenerateContainerConfig(ctx context.Context, objects Objects, pod *v1.Pod, c *v1.Container, facts Facts, in Instance) (*cri.ContainerConfig, error) {
	sc := determineEffectiveSecurityContext(pod, c)
	if err := verifyRunAsNonRoot(pod, c, sc, in.User); err != nil {
		return nil, err
	}
	env, err := makeEnvironmentVariables(ctx, objects, pod, c, facts)
	if err != nil {
		return nil, err
	}
	mounts, err := n.makeMounts(pod, c, facts, env)
	if err != nil {
		return nil, err
	}
	annotations, err := runtime.ContainerAnnotations(pod, c, in.Restarts)
	if err != nil {
		return nil, err
	}
	security, err := n.security(pod, sc, in.User, in.TargetID)
	if err != nil {
		return nil, err
	}
	logs := filepath.Join(n.PodLogDir(pod.Namespace, pod.Name, pod.UID), c.Name)
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, fmt.Errorf("create container log directory for container %s failed: %w", c.Name, err)
	}
	resources := n.calculateLinuxResources(c.Resources)
	resources.OomScoreAdj = getContainerOOMScoreAdjust(pod, c, n.MemoryBytes)

	lookup := func(name string) (string, bool) {
		for _, kv := range env {
			if kv.Key == name {
				return string(kv.Value), true
			}
		}
		return "", false
	}
	return &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: c.Name, Attempt: uint32(in.Restarts)},
		Image:    &cri.ImageSpec{Image: in.ImageRef, UserSpecifiedImage: c.Image},
		Command:  expandAll(c.Command, lookup), Args: expandAll(c.Args, lookup),
		WorkingDir: c.WorkingDir, Envs: env, Mounts: mounts,
		Labels: runtime.ContainerLabels(pod, c), Annotations: annotations,
		LogPath: LogPath(c.Name, in.Restarts),
		Stdin:   c.Stdin, StdinOnce: c.StdinOnce, Tty: c.TTY,
		Linux: &cri.LinuxContainerConfig{Resources: resources, SecurityContext: security},
	}, nil
}
