package images

import (
	"context"
	"fmt"
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
)

// Manager pulls images for all pods of the node: imageManager in
// pkg/kubelet/images/image_manager.go. It pulls one at a time (upstream's default,
// serializeImagePulls), because pods that start together would share the link and all of
// them would finish late.
type Manager struct {
	images  runtime.Images
	events  record.EventRecorder
	clock   clock.PassiveClock
	backOff *pullBackOff
	turn    chan struct{} // holds one word while somebody pulls
}

// NewManager pulls through images and reports to events.
func NewManager(images runtime.Images, events record.EventRecorder, c clock.PassiveClock) *Manager {
	return &Manager{images: images, events: events, clock: c, backOff: newPullBackOff(c), turn: make(chan struct{}, 1)}
}

// Request is one container's need of an image.
type Request struct {
	Pod       *v1.Pod
	Container *v1.Container
	// Secrets reads the pod's pull secrets; it is called only if a pull is due.
	Secrets func(context.Context) []*v1.Secret
	Sandbox *cri.PodSandboxConfig
}

// EnsureImageExists returns the runtime's reference of the container's image, and pulls
// the image first if the policy says so. Every error it returns is an *Error, but for
// ctx's own.
func (m *Manager) EnsureImageExists(ctx context.Context, r Request) (string, error) {
	image, repository, err := applyDefaultImageTag(r.Container.Image)
	if err != nil {
		msg := fmt.Sprintf("Failed to apply default image tag %q: %v", r.Container.Image, err)
		m.event(r, v1.EventTypeWarning, "InspectFailed", msg)
		return "", &Error{Reason: InvalidImageName, Message: msg}
	}
	// Always does not download always: it asks the registry what the tag means now, and
	// the runtime fetches only layers that it lacks. So what is present is not looked at.
	if r.Container.ImagePullPolicy != v1.PullAlways {
		ref, err := m.imagePresent(ctx, r, image)
		if err != nil || ref != "" {
			return ref, err
		}
	}
	ring, err := r.keyring(ctx)
	if err != nil {
		// Upstream shows such an error as the reason, too.
		return "", &Error{Reason: err.Error(), Message: err.Error()}
	}
	return m.pullImage(ctx, r, image, ring.lookup(repository))
}

// keyring reads the pod's credentials.
func (r Request) keyring(ctx context.Context) (keyring, error) {
	if r.Secrets == nil {
		return nil, nil
	}
	return newKeyring(r.Secrets(ctx))
}

// applyDefaultImageTag adds the default tag: "busybox" is the short form of
// docker.io/library/busybox:latest. The repository is the name without tag or digest.
func applyDefaultImageTag(name string) (image, repository string, err error) {
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

// imagePresent returns the reference of an image that the node has, or "" if it has to be
// pulled: imagePullPrecheck of upstream. Under policy Never that is an error.
func (m *Manager) imagePresent(ctx context.Context, r Request, image string) (string, error) {
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

// pullImage pulls the image unless its last failure is too recent. It reports each step
// by an event, because events are what `kubectl describe pod` can show of a pull.
func (m *Manager) pullImage(ctx context.Context, r Request, image string, auths []*cri.AuthConfig) (string, error) {
	name, k := r.Container.Image, backOffKey(r.Pod.UID, r.Container.Image)
	if held := m.backOff.held(k); held != nil {
		msg := fmt.Sprintf("Back-off pulling image %q", name)
		m.event(r, v1.EventTypeNormal, "BackOff", msg)
		if held.last != "" {
			msg += ": " + held.last
		}
		return "", &Error{Reason: ImagePullBackOff, Message: msg, Delay: held.delay}
	}

	m.event(r, v1.EventTypeNormal, "Pulling", fmt.Sprintf("Pulling image %q", name))
	asked := m.clock.Now()
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	began := m.clock.Now()
	ref, err := m.tryCredentials(ctx, r, image, auths)
	<-m.turn
	if ctx.Err() != nil {
		return "", ctx.Err() // the pod is going away: that is no failure of the registry
	}
	if err != nil {
		return "", m.pullFailed(ctx, r, k, err)
	}
	m.backOff.succeeded(k)
	m.event(r, v1.EventTypeNormal, "Pulled", fmt.Sprintf("Successfully pulled image %q in %v (%v including waiting). Image size: %v bytes.",
		name, m.clock.Since(began).Truncate(time.Millisecond), m.clock.Since(asked).Truncate(time.Millisecond), m.size(ctx, image)))
	return ref, nil
}

// tryCredentials pulls with each credential for the repository in turn, or with none if
// there is none. An image that is public is not asked for without a credential if the pod
// has one: upstream does not do that, either.
func (m *Manager) tryCredentials(ctx context.Context, r Request, image string, auths []*cri.AuthConfig) (string, error) {
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

// size is the image's size in bytes, for the event; 0 if the runtime can't tell.
func (m *Manager) size(ctx context.Context, image string) uint64 {
	status, err := m.images.ImageStatus(ctx, &cri.ImageSpec{Image: image}, false)
	if err != nil {
		return 0
	}
	return status.GetImage().GetSize()
}

// GetImageUser is the user that the image runs as unless the pod names another; root if
// the image says nothing (getImageUser in pkg/kubelet/kuberuntime/helpers.go).
func (m *Manager) GetImageUser(ctx context.Context, image string) (podspec.ImageUser, error) {
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

// ForgetPod drops what is remembered of a pod that is gone.
func (m *Manager) ForgetPod(uid types.UID) { m.backOff.forgetPod(uid) }

func (m *Manager) event(r Request, kind, reason, message string) {
	m.events.Event(podspec.Ref(r.Pod, r.Container.Name), kind, reason, message)
}
