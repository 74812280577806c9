// Package fake is a container runtime for the tests of the agent: it keeps sandboxes
// and containers in memory, sends container events, and lets a test decide how
// containers end, how long they take to stop and which calls fail.
package fake

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	utilexec "k8s.io/utils/exec"

	"noriter.dev/noriter/cluster/agent/runtime"
)

// Runtime implements both halves of CRI that the agent uses.
type Runtime struct {
	mu         sync.Mutex
	next       int
	sandboxes  map[string]*cri.PodSandboxStatus
	containers map[string]*container
	images     map[string]*cri.Image
	watchers   []chan *cri.ContainerEventResponse
	calls      []string

	// ExitOnStart gives, by container name, the exit codes of its instances in
	// order; a container without one, or whose list is used up, keeps running.
	ExitOnStart map[string][]int32
	// Stubborn containers, by name, ignore SIGTERM.
	Stubborn map[string]bool
	// Fail makes a call ("RunPodSandbox", "PullImage") fail.
	Fail map[string]error
	// PullTime is how long a pull takes.
	PullTime time.Duration
	// Pullable images can be pulled; Images present at first are given to New.
	Pullable map[string]bool
	// ExecResult answers ExecSync by the first word of the command.
	ExecResult map[string]error
	// ExecTime is how long a command takes, by its first word.
	ExecTime map[string]time.Duration
}

type container struct {
	status  *cri.ContainerStatus
	config  *cri.ContainerConfig
	sandbox string
}

// New is an empty runtime with those images.
func New(images ...string) *Runtime {
	r := &Runtime{
		sandboxes: map[string]*cri.PodSandboxStatus{}, containers: map[string]*container{}, images: map[string]*cri.Image{},
		ExitOnStart: map[string][]int32{}, Stubborn: map[string]bool{}, Fail: map[string]error{},
		Pullable: map[string]bool{}, ExecResult: map[string]error{}, ExecTime: map[string]time.Duration{},
	}
	for _, name := range images {
		r.addImage(name)
	}
	return r
}

func (r *Runtime) addImage(name string) string {
	id := "sha256:" + name
	r.images[name] = &cri.Image{Id: id, RepoTags: []string{name}, Size: 4096}
	r.images[id] = r.images[name]
	return id
}

// Set runs f while no call is being served, to change the fields above.
func (r *Runtime) Set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// Calls are the calls that changed something, oldest first, such as
// "CreateContainer web/0" or "StopContainer web 30".
func (r *Runtime) Calls() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

func (r *Runtime) record(format string, args ...any) {
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
}

func (r *Runtime) failing(call string) error { return r.Fail[call] }

func notFound(id string) error { return status.Errorf(codes.NotFound, "%q: not found", id) }

// Containers describes all containers as "name/attempt state", sorted.
func (r *Runtime) Containers() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, c := range r.containers {
		out = append(out, fmt.Sprintf("%s/%d %s", c.config.Metadata.Name, c.config.Metadata.Attempt, c.status.State))
	}
	slices.Sort(out)
	return out
}

// Config is what the newest instance of that name was created with.
func (r *Runtime) Config(name string) *cri.ContainerConfig {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.newest(name); c != nil {
		return c.config
	}
	return nil
}

// Exit ends the newest instance of that name.
func (r *Runtime) Exit(name string, code int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.newest(name); c != nil {
		r.end(c, code)
	}
}

// KillSandboxes makes every sandbox not ready and ends its containers, as a reboot does.
func (r *Runtime) KillSandboxes() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sandboxes {
		s.State = cri.PodSandboxState_SANDBOX_NOTREADY
	}
	for _, c := range r.containers {
		r.end(c, 255)
	}
}

func (r *Runtime) newest(name string) *container {
	var found *container
	for _, c := range r.containers {
		if c.config.Metadata.Name == name && (found == nil || c.status.CreatedAt > found.status.CreatedAt) {
			found = c
		}
	}
	return found
}

func (r *Runtime) end(c *container, code int32) {
	if c.status.State != cri.ContainerState_CONTAINER_RUNNING {
		return
	}
	c.status.State = cri.ContainerState_CONTAINER_EXITED
	c.status.ExitCode, c.status.FinishedAt = code, time.Now().UnixNano()
	c.status.Reason = "Completed"
	if code != 0 {
		c.status.Reason = "Error"
	}
	r.tell(c)
}

func (r *Runtime) tell(c *container) {
	event := &cri.ContainerEventResponse{ContainerId: c.status.Id, PodSandboxStatus: r.sandboxes[c.sandbox]}
	for _, w := range r.watchers {
		select {
		case w <- event:
		default: // nobody reads it any more
		}
	}
}

func (r *Runtime) id(prefix string) (string, int64) {
	r.next++
	// Times of creation must differ, whatever the clock does.
	return fmt.Sprintf("%s%d", prefix, r.next), time.Now().UnixNano() + int64(r.next)
}

// RunPodSandbox implements runtime.Service.
func (r *Runtime) RunPodSandbox(_ context.Context, config *cri.PodSandboxConfig, _ string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.failing("RunPodSandbox"); err != nil {
		return "", err
	}
	id, at := r.id("sandbox")
	r.record("RunPodSandbox %s/%d", config.Metadata.Name, config.Metadata.Attempt)
	r.sandboxes[id] = &cri.PodSandboxStatus{
		Id: id, Metadata: config.Metadata, CreatedAt: at, Labels: config.Labels, Annotations: config.Annotations,
		Network: &cri.PodSandboxNetworkStatus{Ip: fmt.Sprintf("10.244.1.%d", r.next)},
		Linux:   &cri.LinuxPodSandboxStatus{Namespaces: &cri.Namespace{Options: config.Linux.SecurityContext.NamespaceOptions}},
	}
	return id, nil
}

// StopPodSandbox implements runtime.Service.
func (r *Runtime) StopPodSandbox(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[id]
	if s == nil {
		return notFound(id)
	}
	r.record("StopPodSandbox %s", s.Metadata.Name)
	s.State = cri.PodSandboxState_SANDBOX_NOTREADY
	for _, c := range r.containers {
		if c.sandbox == id {
			r.end(c, 137)
		}
	}
	return nil
}

// RemovePodSandbox implements runtime.Service.
func (r *Runtime) RemovePodSandbox(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sandboxes, id)
	return nil
}

// PodSandboxStatus implements runtime.Service.
func (r *Runtime) PodSandboxStatus(_ context.Context, id string, _ bool) (*cri.PodSandboxStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[id]
	if s == nil {
		return nil, notFound(id)
	}
	return &cri.PodSandboxStatusResponse{Status: proto.CloneOf(s)}, nil
}

func match(have, want map[string]string) bool {
	for k, v := range want {
		if have[k] != v {
			return false
		}
	}
	return true
}

// ListPodSandbox implements runtime.Service.
func (r *Runtime) ListPodSandbox(_ context.Context, f *cri.PodSandboxFilter) ([]*cri.PodSandbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*cri.PodSandbox
	for _, s := range r.sandboxes {
		if match(s.Labels, f.GetLabelSelector()) {
			out = append(out, &cri.PodSandbox{Id: s.Id, Metadata: s.Metadata, State: s.State, CreatedAt: s.CreatedAt, Labels: s.Labels})
		}
	}
	return out, nil
}

// CreateContainer implements runtime.Service.
func (r *Runtime) CreateContainer(_ context.Context, sandboxID string, config *cri.ContainerConfig, sandbox *cri.PodSandboxConfig) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.failing("CreateContainer"); err != nil {
		return "", err
	}
	id, at := r.id("container")
	r.record("CreateContainer %s/%d", config.Metadata.Name, config.Metadata.Attempt)
	r.containers[id] = &container{config: config, sandbox: sandboxID, status: &cri.ContainerStatus{
		Id: id, Metadata: config.Metadata, CreatedAt: at, Image: &cri.ImageSpec{Image: config.Image.UserSpecifiedImage},
		ImageRef: config.Image.Image, Labels: config.Labels, Annotations: config.Annotations, Mounts: config.Mounts,
		LogPath: sandbox.LogDirectory + "/" + config.LogPath, State: cri.ContainerState_CONTAINER_CREATED,
	}}
	return id, nil
}

// StartContainer implements runtime.Service.
func (r *Runtime) StartContainer(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil {
		return notFound(id)
	}
	name := c.config.Metadata.Name
	c.status.State, c.status.StartedAt = cri.ContainerState_CONTAINER_RUNNING, time.Now().UnixNano()
	if err := r.failing("StartContainer"); err != nil {
		r.end(c, 128)
		c.status.Reason, c.status.StartedAt = "StartError", 0
		return err
	}
	r.record("StartContainer %s/%d", name, c.config.Metadata.Attempt)
	r.tell(c)
	if codes := r.ExitOnStart[name]; len(codes) > 0 {
		r.ExitOnStart[name] = codes[1:]
		r.end(c, codes[0])
	}
	return nil
}

// StopContainer implements runtime.Service.
func (r *Runtime) StopContainer(ctx context.Context, id string, grace int64) error {
	r.mu.Lock()
	c := r.containers[id]
	if c == nil {
		r.mu.Unlock()
		return notFound(id)
	}
	name := c.config.Metadata.Name
	r.record("StopContainer %s %d", name, grace)
	stubborn := r.Stubborn[name]
	r.mu.Unlock()
	code := int32(0)
	if stubborn {
		select {
		case <-time.After(time.Duration(grace) * time.Second):
			code = 137
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(c, code)
	return nil
}

// RemoveContainer implements runtime.Service.
func (r *Runtime) RemoveContainer(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.containers, id)
	return nil
}

// ListContainers implements runtime.Service.
func (r *Runtime) ListContainers(_ context.Context, f *cri.ContainerFilter) ([]*cri.Container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*cri.Container
	for _, c := range r.containers {
		if match(c.status.Labels, f.GetLabelSelector()) {
			out = append(out, &cri.Container{Id: c.status.Id, PodSandboxId: c.sandbox, Metadata: c.status.Metadata,
				State: c.status.State, CreatedAt: c.status.CreatedAt, Labels: c.status.Labels, Annotations: c.status.Annotations})
		}
	}
	return out, nil
}

// ContainerStatus implements runtime.Service.
func (r *Runtime) ContainerStatus(_ context.Context, id string, _ bool) (*cri.ContainerStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil {
		return nil, notFound(id)
	}
	return &cri.ContainerStatusResponse{Status: proto.CloneOf(c.status)}, nil
}

// ExecSync implements runtime.Service.
func (r *Runtime) ExecSync(ctx context.Context, id string, command []string, _ time.Duration) ([]byte, []byte, error) {
	r.mu.Lock()
	if r.containers[id] == nil {
		r.mu.Unlock()
		return nil, nil, notFound(id)
	}
	r.record("ExecSync %s %v", r.containers[id].config.Metadata.Name, command)
	err, wait := r.ExecResult[command[0]], r.ExecTime[command[0]]
	r.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	return []byte("out"), nil, err
}

// ExitError is what ExecSync returns for a command that ended with that code.
func ExitError(code int) error {
	return utilexec.CodeExitError{Err: fmt.Errorf("exit status %d", code), Code: code}
}

// ReopenContainerLog implements runtime.Service.
func (r *Runtime) ReopenContainerLog(context.Context, string) error { return nil }

// GetContainerEvents implements runtime.Service.
func (r *Runtime) GetContainerEvents(ctx context.Context, events chan *cri.ContainerEventResponse, connected func(cri.RuntimeService_GetContainerEventsClient)) error {
	mine := make(chan *cri.ContainerEventResponse, 100)
	r.mu.Lock()
	r.watchers = append(r.watchers, mine)
	r.mu.Unlock()
	if connected != nil {
		connected(nil)
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-mine:
			select {
			case events <- e:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// ListImages implements runtime.Images.
func (r *Runtime) ListImages(context.Context, *cri.ImageFilter) ([]*cri.Image, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*cri.Image
	for name, i := range r.images {
		if name == i.Id {
			out = append(out, i)
		}
	}
	return out, nil
}

// ImageStatus implements runtime.Images.
func (r *Runtime) ImageStatus(_ context.Context, image *cri.ImageSpec, _ bool) (*cri.ImageStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &cri.ImageStatusResponse{Image: r.images[image.Image]}, nil
}

// PullImage implements runtime.Images.
func (r *Runtime) PullImage(ctx context.Context, image *cri.ImageSpec, auth *cri.AuthConfig, _ *cri.PodSandboxConfig) (string, error) {
	r.mu.Lock()
	r.record("PullImage %s %s", image.Image, auth.GetUsername())
	wait := r.PullTime
	r.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.failing("PullImage"); err != nil {
		return "", err
	}
	if !r.Pullable[image.Image] {
		return "", status.Errorf(codes.NotFound, "failed to resolve reference %q: not found", image.Image)
	}
	return r.addImage(image.Image), nil
}

// RemoveImage implements runtime.Images.
func (r *Runtime) RemoveImage(_ context.Context, image *cri.ImageSpec) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.record("RemoveImage %s", image.Image)
	for name, i := range r.images {
		if i.Id == image.Image {
			delete(r.images, name)
		}
	}
	return nil
}

var (
	_ runtime.Service = (*Runtime)(nil)
	_ runtime.Images  = (*Runtime)(nil)
)
