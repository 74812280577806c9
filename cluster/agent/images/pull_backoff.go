package images

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/backoff"
	"noriter.dev/noriter/cluster/trace"
)

// pullFailed notes the failure, which makes the back-off grow, and names the reason
// (evalCRIPullErr in pkg/kubelet/images/image_manager.go).
func (m *Manager) pullFailed(ctx context.Context, r Request, k string, err error) error {
	name := r.Container.Image
	m.event(r, v1.EventTypeWarning, "Failed", fmt.Sprintf("Failed to pull image %q: %v", name, err))
	e := &Error{Reason: ErrImagePull, Message: err.Error()}
	// A runtime can say more precisely what is wrong by the word its error begins with.
	for reason, text := range map[string]string{
		RegistryUnavailable: "the registry is unavailable",
		SignatureInvalid:    "the signature validation failed",
	} {
		if rest, ok := strings.CutPrefix(runtime.Message(err), reason); ok {
			e = &Error{Reason: reason, Message: fmt.Sprintf("image pull failed for %s because %s%s", name, text, rest)}
		}
	}
	e.Delay = m.backOff.failed(k, e.Error())
	trace.Decide(ctx, trace.For(r.Pod), "wait before pulling the image again", e.Message,
		"container", r.Container.Name, "image", name, "delay", e.Delay.String())
	return e
}

// pullBackOff is how long each image of each pod has to wait, and what went wrong last,
// which stays visible in the container's status while it waits.
type pullBackOff struct {
	clock  clock.PassiveClock
	delays *backoff.Backoff

	mu   sync.Mutex
	last map[string]string // by back-off key: the last failure
}

func newPullBackOff(c clock.PassiveClock) *pullBackOff {
	return &pullBackOff{clock: c, delays: backoff.New(c), last: map[string]string{}}
}

// backOffKey is per pod and image: a new pod with the same image tries at once, as does
// the same pod with another image. So whoever corrects a name need not wait.
func backOffKey(uid types.UID, image string) string { return string(uid) + "_" + image }

// holding is a back-off in force.
type holding struct {
	delay time.Duration
	last  string
}

// held is the back-off in force, nil if the image may be pulled now.
func (b *pullBackOff) held(key string) *holding {
	_, delay := b.delays.UntilSinceNoted(key)
	if delay == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return &holding{delay, b.last[key]}
}

// failed makes the back-off grow and returns the delay that follows: 10 s after the first
// failure, then twice as long each time, up to 300 s.
func (b *pullBackOff) failed(key, why string) time.Duration {
	b.delays.Next(key, b.clock.Now())
	b.mu.Lock()
	b.last[key] = why
	b.mu.Unlock()
	_, delay := b.delays.UntilSinceNoted(key)
	return delay
}

// succeeded drops the failure, but not the delay: an image that fails again within ten
// minutes goes on where it was.
func (b *pullBackOff) succeeded(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.last, key)
}

func (b *pullBackOff) forgetPod(uid types.UID) {
	mine := func(k string) bool { return strings.HasPrefix(k, string(uid)+"_") }
	b.delays.Forget(mine)
	b.mu.Lock()
	defer b.mu.Unlock()
	for k := range b.last {
		if mine(k) {
			delete(b.last, k)
		}
	}
}
