// Package pull brings images onto the node: it decides by the pull policy whether
// the runtime has to fetch one, with which credentials, and how long to leave a
// registry alone after it failed. Its events and reasons are those a user meets when
// a pod doesn't start: ErrImagePull, ImagePullBackOff, ErrImageNeverPull …
package pull

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/tools/record"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/backoff"
	"noriter.dev/noriter/cluster/trace"
)

// The reasons a container waits for its image, as its status shows them
// (pkg/kubelet/images/types.go and k8s.io/cri-api/pkg/errors).
const (
	ErrImagePull        = "ErrImagePull"
	ImagePullBackOff    = "ImagePullBackOff"
	ErrImageNeverPull   = "ErrImageNeverPull"
	InvalidImageName    = "InvalidImageName"
	ImageInspectError   = "ImageInspectError"
	RegistryUnavailable = "RegistryUnavailable"
	SignatureInvalid    = "SignatureValidationFailed"
)

// Error is why an image is not there: what the container's waiting state shows.
type Error struct {
	Reason  string // one of the constants above
	Message string
	// Delay is the back-off in force; 0 if there is none.
	Delay time.Duration
}

func (e *Error) Error() string { return e.Reason + ": " + e.Message }

// Manager pulls images for all pods of the node, one at a time, so that pods starting
// together don't share the link and all finish late.
type Manager struct {
	images  runtime.Images
	events  record.EventRecorder
	clock   clock.PassiveClock
	backoff *backoff.Backoff
	turn    chan struct{} // held while pulling

	mu   sync.Mutex
	last map[string]string // by back-off key: the last failure, shown while waiting
}

// NewManager pulls through images and reports to events.
func NewManager(images runtime.Images, events record.EventRecorder, c clock.PassiveClock) *Manager {
	return &Manager{
		images: images, events: events, clock: c, backoff: backoff.New(c),
		turn: make(chan struct{}, 1), last: map[string]string{},
	}
}

// Request is one container's need of an image.
type Request struct {
	Pod       *v1.Pod
	Container *v1.Container
	// Secrets reads the pod's pull secrets; it is called only if a pull is due.
	Secrets func(context.Context) []*v1.Secret
	Sandbox *cri.PodSandboxConfig
}

// Ensure returns the runtime's reference of the container's image, pulling it if the
// policy says so. Every error it returns is an *Error, but for ctx's own.
func (m *Manager) Ensure(ctx context.Context, r Request) (string, error) {
	image, repository, err := normalize(r.Container.Image)
	if err != nil {
		msg := fmt.Sprintf("Failed to apply default image tag %q: %v", r.Container.Image, err)
		m.event(r, v1.EventTypeWarning, "InspectFailed", msg)
		return "", &Error{Reason: InvalidImageName, Message: msg}
	}
	if r.Container.ImagePullPolicy != v1.PullAlways {
		ref, err := m.present(ctx, r, image)
		if err != nil || ref != "" {
			return ref, err
		}
	}
	ring, err := r.keyring(ctx)
	if err != nil {
		return "", &Error{Reason: err.Error(), Message: err.Error()}
	}
	return m.pull(ctx, r, image, ring.Lookup(repository))
}

// keyring reads the pod's credentials.
func (r Request) keyring(ctx context.Context) (Keyring, error) {
	if r.Secrets == nil {
		return nil, nil
	}
	return NewKeyring(r.Secrets(ctx))
}

// normalize adds the default tag: "busybox" is the short form of
// docker.io/library/busybox:latest. The repository is the name without tag or digest.
func normalize(name string) (image, repository string, err error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", "", fmt.Errorf("couldn't parse image name %q: %w", name, err)
	}
	image = name
	if reference.IsNameOnly(named) {
		image = name + ":latest"
	}
	return image, named.Name(), nil
}

// present returns the reference of an image the node has already, or "".
func (m *Manager) present(ctx context.Context, r Request, image string) (string, error) {
	status, err := m.images.ImageStatus(ctx, &cri.ImageSpec{Image: image}, false)
	if err != nil {
		msg := fmt.Sprintf("Failed to inspect image %q: %v", image, err)
		m.event(r, v1.EventTypeWarning, "InspectFailed", msg)
		return "", &Error{Reason: ImageInspectError, Message: msg}
	}
	if id := status.GetImage().GetId(); id != "" {
		m.event(r, v1.EventTypeNormal, "Pulled",
			fmt.Sprintf("Container image %q already present on machine and can be accessed by the pod", r.Container.Image))
		return id, nil
	}
	if r.Container.ImagePullPolicy == v1.PullNever {
		msg := fmt.Sprintf("Container image %q is not present with pull policy of Never", r.Container.Image)
		m.event(r, v1.EventTypeWarning, "ErrImageNeverPull", msg)
		return "", &Error{Reason: ErrImageNeverPull, Message: msg}
	}
	return "", nil
}

func key(uid types.UID, image string) string { return string(uid) + "_" + image }

// pull fetches the image unless its last failure is too recent.
func (m *Manager) pull(ctx context.Context, r Request, image string, auths []*cri.AuthConfig) (string, error) {
	name, k := r.Container.Image, key(r.Pod.UID, r.Container.Image)
	if _, delay := m.backoff.UntilSinceNoted(k); delay > 0 {
		msg := fmt.Sprintf("Back-off pulling image %q", name)
		m.event(r, v1.EventTypeNormal, "BackOff", msg)
		m.mu.Lock()
		if last := m.last[k]; last != "" {
			msg += ": " + last
		}
		m.mu.Unlock()
		return "", &Error{Reason: ImagePullBackOff, Message: msg, Delay: delay}
	}

	m.event(r, v1.EventTypeNormal, "Pulling", fmt.Sprintf("Pulling image %q", name))
	asked := m.clock.Now()
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	began := m.clock.Now()
	ref, err := m.fetch(ctx, r, image, auths)
	<-m.turn
	if ctx.Err() != nil {
		return "", ctx.Err() // the pod is going away: that is no failure of the registry
	}
	if err != nil {
		return "", m.failed(ctx, r, k, err)
	}
	m.mu.Lock()
	delete(m.last, k)
	m.mu.Unlock()
	m.event(r, v1.EventTypeNormal, "Pulled", fmt.Sprintf("Successfully pulled image %q in %v (%v including waiting). Image size: %v bytes.",
		name, m.clock.Since(began).Truncate(time.Millisecond), m.clock.Since(asked).Truncate(time.Millisecond), m.size(ctx, image)))
	return ref, nil
}

// fetch tries each credential for the repository in turn, or none if there is none.
func (m *Manager) fetch(ctx context.Context, r Request, image string, auths []*cri.AuthConfig) (string, error) {
	if len(auths) == 0 {
		return m.images.PullImage(ctx, &cri.ImageSpec{Image: image}, nil, r.Sandbox)
	}
	var failures []error
	for _, auth := range auths {
		ref, err := m.images.PullImage(ctx, &cri.ImageSpec{Image: image}, auth, r.Sandbox)
		if err == nil {
			return ref, nil
		}
		failures = append(failures, err)
	}
	return "", utilerrors.NewAggregate(failures)
}

// failed notes the failure, lengthens the back-off and names the reason.
func (m *Manager) failed(ctx context.Context, r Request, k string, err error) error {
	name := r.Container.Image
	m.event(r, v1.EventTypeWarning, "Failed", fmt.Sprintf("Failed to pull image %q: %v", name, err))
	m.backoff.Next(k, m.clock.Now())
	e := &Error{Reason: ErrImagePull, Message: err.Error()}
	for reason, text := range map[string]string{
		RegistryUnavailable: "the registry is unavailable",
		SignatureInvalid:    "the signature validation failed",
	} {
		if rest, ok := strings.CutPrefix(runtime.Message(err), reason); ok {
			e = &Error{Reason: reason, Message: fmt.Sprintf("image pull failed for %s because %s%s", name, text, rest)}
		}
	}
	_, e.Delay = m.backoff.UntilSinceNoted(k)
	m.mu.Lock()
	m.last[k] = e.Error()
	m.mu.Unlock()
	trace.Decide(ctx, trace.For(r.Pod), "wait before pulling the image again", e.Message,
		"container", r.Container.Name, "image", name, "delay", e.Delay.String())
	return e
}

func (m *Manager) size(ctx context.Context, image string) uint64 {
	status, err := m.images.ImageStatus(ctx, &cri.ImageSpec{Image: image}, false)
	if err != nil {
		return 0
	}
	return status.GetImage().GetSize()
}

// User is the user the image runs as unless told otherwise; root if it says nothing.
func (m *Manager) User(ctx context.Context, image string) (podspec.ImageUser, error) {
	status, err := m.images.ImageStatus(ctx, &cri.ImageSpec{Image: image}, false)
	if err != nil {
		return podspec.ImageUser{}, fmt.Errorf("reading the user of image %q: %w", image, err)
	}
	switch i := status.GetImage(); {
	case i.GetUid() != nil:
		uid := i.GetUid().GetValue()
		return podspec.ImageUser{UID: &uid}, nil
	case i.GetUsername() != "":
		return podspec.ImageUser{Name: i.GetUsername()}, nil
	}
	root := int64(0)
	return podspec.ImageUser{UID: &root}, nil
}

// Forget drops what is remembered of a pod that is gone.
func (m *Manager) Forget(uid types.UID) {
	mine := func(k string) bool { return strings.HasPrefix(k, string(uid)+"_") }
	m.backoff.Forget(mine)
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.last {
		if mine(k) {
			delete(m.last, k)
		}
	}
}

func (m *Manager) event(r Request, kind, reason, message string) {
	m.events.Event(podspec.Ref(r.Pod, r.Container.Name), kind, reason, message)
}
