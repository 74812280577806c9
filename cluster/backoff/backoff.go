// Package backoff makes repeated failures wait longer each time: the first one for a
// short while, each further one for twice as long, up to a limit. So what is repaired soon
// is tried again soon, and what stays broken costs next to nothing.
//
// Backoff is the one a learner meets, as CrashLoopBackOff and ImagePullBackOff: 10 s, 20 s,
// 40 s, 80 s, 160 s, and then 300 s. It keeps a delay for each container or image. Pause
// is for work of which there is only one at a time.
package backoff

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// The delays of crashing containers and of failing pulls (pkg/kubelet/kubelet.go:
// initialCrashLoopBackOff and imageBackOffPeriod, MaxCrashLoopBackOff and MaxImageBackOff).
const (
	Initial = 10 * time.Second
	Max     = 300 * time.Second
)

// Backoff keeps one delay per key. What has not failed for twice the longest delay,
// 10 minutes, is forgiven and starts over.
//
// It decides as flowcontrol.Backoff of client-go does, which the kubelet uses; a test
// compares the two. It is written out here because it is part of the lesson, and because
// its callers also ask until when they have to wait, and drop all keys of a pod at once.
type Backoff struct {
	clock clock.PassiveClock

	mu      sync.Mutex
	entries map[string]entry
}

// entry is one key's delay, and when that was lengthened last.
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
	e := b.entries[key]
	if forgiven(e, failed) {
		e.delay = 0
	}
	e.delay = longer(e.delay, Initial, Max)
	e.updated = b.clock.Now()
	b.entries[key] = e
}

// longer is the delay that follows now: first, then twice as long each time, at most most.
func longer(now, first, most time.Duration) time.Duration {
	return min(max(2*now, first), most)
}

func forgiven(e entry, failed time.Time) bool { return failed.Sub(e.updated) > 2*Max }

// Until is when the key may be tried again if its last failure was at that time, and
// the delay in force. The zero time means that it may be tried now.
func (b *Backoff) Until(key string, failed time.Time) (time.Time, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.until(b.entries[key], failed)
}

// UntilSinceNoted is Until for failures that happened when Next was called.
func (b *Backoff) UntilSinceNoted(key string) (time.Time, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[key]
	return b.until(e, e.updated)
}

func (b *Backoff) until(e entry, failed time.Time) (time.Time, time.Duration) {
	until := failed.Add(e.delay)
	if forgiven(e, failed) || !b.clock.Now().Before(until) {
		return time.Time{}, 0
	}
	return until, e.delay
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
