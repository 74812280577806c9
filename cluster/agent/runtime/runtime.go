// Package runtime is the agent's view of the container runtime. It speaks CRI, the
// gRPC interface every runtime for Kubernetes serves, and turns what the runtime
// has into one value per pod that the rest of the agent decides on.
//
// Nothing here remembers anything: the runtime itself is the memory. That is why the
// agent can be restarted at any moment and finds its containers again by the labels
// it put on them.
package runtime

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apimachinery/pkg/util/wait"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	criclient "k8s.io/cri-client/pkg"

	criapi "k8s.io/cri-api/pkg/apis"
)

// requestTimeout is how long one CRI call may take: the kubelet's default of
// runtimeRequestTimeout. Pulls and stops with a grace period have limits of their own.
const requestTimeout = 2 * time.Minute

// dialPoll is how often a runtime that does not answer yet is asked again: after a boot
// it is often up a moment later than the agent.
const dialPoll = 200 * time.Millisecond

// Service is what the agent asks of the container half of CRI. It is a part of
// k8s.io/cri-api's RuntimeService, so that a test can stand in for the runtime.
type Service interface {
	RunPodSandbox(ctx context.Context, config *cri.PodSandboxConfig, handler string) (string, error)
	StopPodSandbox(ctx context.Context, id string) error
	RemovePodSandbox(ctx context.Context, id string) error
	PodSandboxStatus(ctx context.Context, id string, verbose bool) (*cri.PodSandboxStatusResponse, error)
	ListPodSandbox(ctx context.Context, filter *cri.PodSandboxFilter) ([]*cri.PodSandbox, error)

	CreateContainer(ctx context.Context, sandboxID string, config *cri.ContainerConfig, sandbox *cri.PodSandboxConfig) (string, error)
	StartContainer(ctx context.Context, id string) error
	StopContainer(ctx context.Context, id string, graceSeconds int64) error
	RemoveContainer(ctx context.Context, id string) error
	ListContainers(ctx context.Context, filter *cri.ContainerFilter) ([]*cri.Container, error)
	ContainerStatus(ctx context.Context, id string, verbose bool) (*cri.ContainerStatusResponse, error)

	ExecSync(ctx context.Context, id string, command []string, timeout time.Duration) (stdout, stderr []byte, err error)
	ReopenContainerLog(ctx context.Context, id string) error
	GetContainerEvents(ctx context.Context, events chan *cri.ContainerEventResponse, connected func(cri.RuntimeService_GetContainerEventsClient)) error
}

// Images is what the agent asks of the image half of CRI.
type Images interface {
	ListImages(ctx context.Context, filter *cri.ImageFilter) ([]*cri.Image, error)
	ImageStatus(ctx context.Context, image *cri.ImageSpec, verbose bool) (*cri.ImageStatusResponse, error)
	PullImage(ctx context.Context, image *cri.ImageSpec, auth *cri.AuthConfig, sandbox *cri.PodSandboxConfig) (string, error)
	RemoveImage(ctx context.Context, image *cri.ImageSpec) error
}

// Dial connects to the runtime's socket ("unix:///run/containerd/containerd.sock"),
// which serves both halves, and waits at most limit for it to answer.
func Dial(ctx context.Context, endpoint string, limit time.Duration) (criapi.RuntimeService, criapi.ImageManagerService, error) {
	var service criapi.RuntimeService
	var images criapi.ImageManagerService
	var last error
	err := wait.PollUntilContextTimeout(ctx, dialPoll, limit, true, func(ctx context.Context) (bool, error) {
		service, images, last = dialOnce(ctx, endpoint)
		return last == nil, nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("waiting %v for the container runtime at %s (is containerd running?): %w", limit, endpoint, cmp.Or(last, err))
	}
	return service, images, nil
}

func dialOnce(ctx context.Context, endpoint string) (criapi.RuntimeService, criapi.ImageManagerService, error) {
	// No tracer: its interceptors cost memory for every call and nobody collects them.
	service, err := criclient.NewRemoteRuntimeServiceBuilder().WithEndpoint(endpoint).
		WithConnectionTimeout(requestTimeout).WithTracerProvider(nil).Build(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("connecting: %w", err)
	}
	images, err := criclient.NewRemoteImageServiceBuilder().WithEndpoint(endpoint).
		WithConnectionTimeout(requestTimeout).WithTracerProvider(nil).Build(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("connecting for images: %w", err)
	}
	if _, err := service.Version(ctx, "v1"); err != nil {
		return nil, nil, fmt.Errorf("asking for its version: %w", err)
	}
	return service, images, nil
}

// IsNotFound tells that the runtime no longer has what was asked for.
func IsNotFound(err error) bool { return status.Code(err) == codes.NotFound }

// Message is the text of a runtime's error without gRPC's wrapping. It is what
// users see in events and in a container's waiting message.
func Message(err error) string {
	if s, ok := status.FromError(err); ok {
		return s.Message()
	}
	return err.Error()
}
