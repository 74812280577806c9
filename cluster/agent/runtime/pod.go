package runtime

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	kubelettypes "k8s.io/kubelet/pkg/types"
)

// State is how far a container is in its life, in CRI's terms.
type State string

// The states of a container.
const (
	Created State = "created" // exists, was not started
	Running State = "running"
	Exited  State = "exited"
	Unknown State = "unknown" // the runtime itself can't tell
)

// Pod is what the runtime has of one pod at one moment (PodStatus in
// pkg/kubelet/container/runtime.go). Not v1.Pod, which is what the API wants.
type Pod struct {
	UID       types.UID
	Namespace string
	Name      string
	// Sandboxes are the pod's sandboxes, the newest first. More than one exists
	// after the newest had to replace a dead one.
	Sandboxes []*cri.PodSandboxStatus
	// Containers are the pod's containers, the newest first, over all sandboxes.
	Containers []*Container
	// IPs are the addresses of the newest sandbox if it is ready; none with hostNetwork.
	IPs []string
}

// Container is one container, running or dead, with what the agent noted on it (Status in
// pkg/kubelet/container/runtime.go). Every restart is another container with another ID.
type Container struct {
	ID        string
	Name      string
	SandboxID string
	State     State

	CreatedAt  time.Time
	StartedAt  time.Time // zero if it never started
	FinishedAt time.Time // zero unless Exited
	ExitCode   int32
	Reason     string // the runtime's: Completed, Error, OOMKilled, StartError …
	Message    string // of the runtime, and the container's termination message

	Image    string // as the user wrote it
	ImageRef string // what it resolved to: name@digest
	Hash     string
	Restarts int
	LogPath  string
	User     *cri.ContainerUser
	// Labels and Annotations are those given at creation.
	Labels, Annotations map[string]string
}

// GetPodStatus asks the runtime for everything it has of the pod (GetPodStatus in
// pkg/kubelet/kuberuntime/kuberuntime_manager.go). Upstream keeps the answers in a cache
// that the PLEG fills; here each look asks, so there is no answer that can be old.
func GetPodStatus(ctx context.Context, service Service, uid types.UID) (*Pod, error) {
	selector := map[string]string{kubelettypes.KubernetesPodUIDLabel: string(uid)}
	pod := &Pod{UID: uid}

	sandboxes, err := service.ListPodSandbox(ctx, &cri.PodSandboxFilter{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("listing the sandboxes of pod %s: %w", uid, err)
	}
	slices.SortFunc(sandboxes, func(a, b *cri.PodSandbox) int { return cmp.Compare(b.CreatedAt, a.CreatedAt) })
	for _, s := range sandboxes {
		response, err := service.PodSandboxStatus(ctx, s.Id, false)
		if IsNotFound(err) {
			continue // removed between the two calls
		}
		if err != nil {
			return nil, fmt.Errorf("reading the sandbox of pod %s: %w", uid, err)
		}
		pod.Sandboxes = append(pod.Sandboxes, response.GetStatus())
		pod.Name, pod.Namespace = kubelettypes.GetPodName(s.Labels), kubelettypes.GetPodNamespace(s.Labels)
	}
	if sandbox := pod.readySandbox(); sandbox != nil {
		pod.IPs = addresses(sandbox)
	}

	containers, err := service.ListContainers(ctx, &cri.ContainerFilter{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("listing the containers of pod %s: %w", uid, err)
	}
	for _, c := range containers {
		response, err := service.ContainerStatus(ctx, c.Id, false)
		if IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading container %s of pod %s: %w", kubelettypes.GetContainerName(c.Labels), uid, err)
		}
		pod.Containers = append(pod.Containers, convert(response.GetStatus(), c.PodSandboxId))
	}
	slices.SortFunc(pod.Containers, func(a, b *Container) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return pod, nil
}

// addresses are the IPs the network plugin gave the sandbox, the primary first.
func addresses(sandbox *cri.PodSandboxStatus) []string {
	network := sandbox.GetNetwork()
	if network == nil || network.Ip == "" {
		return nil
	}
	var ips []string
	for _, ip := range append([]*cri.PodIP{{Ip: network.Ip}}, network.AdditionalIps...) {
		if _, err := netip.ParseAddr(ip.Ip); err == nil {
			ips = append(ips, ip.Ip)
		}
	}
	return ips
}

// convert reads one container's status (toKubeContainerStatus).
func convert(s *cri.ContainerStatus, sandboxID string) *Container {
	c := &Container{
		ID: s.Id, Name: kubelettypes.GetContainerName(s.Labels), SandboxID: sandboxID,
		State:     stateOf(s.State),
		CreatedAt: time.Unix(0, s.CreatedAt),
		Image:     s.GetImage().GetImage(), ImageRef: s.ImageRef,
		Hash: s.Annotations[annotationHash], LogPath: s.LogPath,
		User: s.User, Labels: s.Labels, Annotations: s.Annotations,
	}
	// An unreadable count can only come from someone else's container; 0 is right then.
	c.Restarts, _ = strconv.Atoi(s.Annotations[annotationRestartCount])
	if c.State != Created && s.StartedAt > 0 {
		c.StartedAt = time.Unix(0, s.StartedAt)
	}
	if c.State == Exited {
		c.FinishedAt = time.Unix(0, s.FinishedAt)
		c.ExitCode, c.Reason = s.ExitCode, s.Reason
		c.Message = getTerminationMessage(s)
	}
	return c
}

func stateOf(s cri.ContainerState) State {
	switch s {
	case cri.ContainerState_CONTAINER_CREATED:
		return Created
	case cri.ContainerState_CONTAINER_RUNNING:
		return Running
	case cri.ContainerState_CONTAINER_EXITED:
		return Exited
	}
	return Unknown
}

// readySandbox is the newest sandbox if it is ready, else nil.
func (p *Pod) readySandbox() *cri.PodSandboxStatus {
	if len(p.Sandboxes) == 0 || p.Sandboxes[0].State != cri.PodSandboxState_SANDBOX_READY {
		return nil
	}
	return p.Sandboxes[0]
}

// Newest is the newest container of that name, in any sandbox, or nil.
func (p *Pod) Newest(name string) *Container {
	for _, c := range p.Containers {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Active is the newest container of that name in the ready sandbox, or nil. What
// ran in an earlier sandbox does not count: a new sandbox starts the pod over.
func (p *Pod) Active(name string) *Container {
	sandbox := p.readySandbox()
	if sandbox == nil {
		return nil
	}
	for _, c := range p.Containers {
		if c.Name == name && c.SandboxID == sandbox.Id {
			return c
		}
	}
	return nil
}

// RunningContainers are all containers that are, or may be, running.
func (p *Pod) RunningContainers() []*Container {
	var running []*Container
	for _, c := range p.Containers {
		if c.State == Running || c.State == Unknown {
			running = append(running, c)
		}
	}
	return running
}

// Initialized tells whether a container of the pod's main list was ever created in
// the ready sandbox, which means that its init containers are done. (Those may have
// been removed since, so their absence says nothing.)
func (p *Pod) Initialized(spec *v1.PodSpec) bool {
	for i := range spec.Containers {
		if p.Active(spec.Containers[i].Name) != nil {
			return true
		}
	}
	return false
}
