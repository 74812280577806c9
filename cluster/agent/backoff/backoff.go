// Package backoff makes repeated failures wait longer each time. Both back-offs a
// learner meets are of this kind: CrashLoopBackOff and ImagePullBackOff, 10 s
// doubling up to 300 s.
package backoff

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// The delays of crashing containers and of failing pulls
// (pkg/kubelet/kubelet.go: backOffPeriod, MaxCrashLoopBackOff, MaxImageBackOff).
const (
	Initial = 10 * time.Second
	Max     = 300 * time.Second
)

// Backoff keeps one delay per key. What has not failed for twice the longest delay,
// 10 minutes, is forgiven and starts over.
type Backoff struct {
	clock clock.PassiveClock

	mu      sync.Mutex
	entries map[string]entry
}

type entry struct {
	delay   time.Duration
	updated time.Time
}

// New has no delays yet.
func New(c clock.PassiveClock) *Backoff {
	return &Backoff{clock: c, entries: map[string]entry{}}
}

// Next notes another failure: the delay is Initial at first and doubles from then
// on. failed is when it happened; it decides whether the last one is forgiven.
func (b *Backoff) Next(key string, failed time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, known := b.entries[key]
	if !known || forgiven(e, failed) {
		e.delay = Initial
	} else {
		e.delay = min(2*e.delay, Max)
	}
	e.updated = b.clock.Now()
	b.entries[key] = e
}

func forgiven(e entry, failed time.Time) bool { return failed.Sub(e.updated) > 2*Max }

// Until is when the key may be tried again if its last failure was at that time, and
// the delay in force. The zero time means that it may be tried now.
func (b *Backoff) Until(key string, failed time.Time) (time.Time, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, known := b.entries[key]
	if !known || forgiven(e, failed) {
		return time.Time{}, 0
	}
	until := failed.Add(e.delay)
	if !b.clock.Now().Before(until) {
		return time.Time{}, 0
	}
	return until, e.delay
}

// UntilSinceNoted is Until for failures that happened when Next was called.
func (b *Backoff) UntilSinceNoted(key string) (time.Time, time.Duration) {
	b.mu.Lock()
	e, known := b.entries[key]
	b.mu.Unlock()
	if !known {
		return time.Time{}, 0
	}
	return b.Until(key, e.updated)
}

// Forget drops every key that match accepts. Call it when a pod is gone.
func (b *Backoff) Forget(match func(key string) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.entries {
		if match(key) {
			delete(b.entries, key)
		}
	}
}
