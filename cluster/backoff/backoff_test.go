package backoff

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"k8s.io/client-go/util/flowcontrol"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestDelays(t *testing.T) {
	c := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
	b := New(c)
	if _, delay := b.UntilSinceNoted("k"); delay != 0 {
		t.Fatal("a key that never failed has to wait")
	}
	for _, want := range []time.Duration{10, 20, 40, 80, 160, 300, 300} {
		b.Next("k", c.Now())
		until, delay := b.Until("k", c.Now())
		if delay != want*time.Second || !until.Equal(c.Now().Add(delay)) {
			t.Errorf("%v until %v, want %v s", delay, until, want)
		}
		c.SetTime(until.Add(-time.Nanosecond))
		if _, delay := b.UntilSinceNoted("k"); delay == 0 {
			t.Error("tried too early")
		}
		c.SetTime(until)
		if _, delay := b.UntilSinceNoted("k"); delay != 0 {
			t.Error("held too long")
		}
	}
	failed := c.Now().Add(10*time.Minute + time.Second)
	c.SetTime(failed)
	if _, delay := b.Until("k", failed); delay != 0 {
		t.Error("not forgiven after ten minutes")
	}
	b.Next("k", failed)
	if _, delay := b.Until("k", failed); delay != Initial {
		t.Errorf("starts over with %v", delay)
	}
	b.Forget(func(key string) bool { return key == "k" })
	if _, delay := b.Until("k", failed); delay != 0 {
		t.Error("not forgotten")
	}
}

// TestAsUpstream lets random failures come to this Backoff and to the kubelet's, and
// asks both about every key after each.
func TestAsUpstream(t *testing.T) {
	c := clocktesting.NewFakeClock(time.Unix(1000, 0))
	ours, theirs := New(c), flowcontrol.NewFakeBackOff(Initial, Max, c)
	keys := []string{"a", "b", "c"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		// Mostly within the delays; now and then long enough to be forgiven.
		c.Step(time.Duration(random.Int64N(int64(40 * time.Second))))
		if random.IntN(50) == 0 {
			c.Step(11 * time.Minute)
		}
		failed := c.Now().Add(-time.Duration(random.Int64N(int64(time.Minute))))
		key := keys[random.IntN(len(keys))]
		switch random.IntN(4) {
		case 0:
			ours.Next(key, failed)
			theirs.Next(key, failed)
		case 1:
			if random.IntN(20) == 0 {
				ours.Forget(func(k string) bool { return k == key })
				theirs.DeleteEntry(key)
			}
		}
		for _, key := range keys {
			until, delay := ours.Until(key, failed)
			if want := theirs.IsInBackOffSince(key, failed); want != (delay > 0) || want && (delay != theirs.Get(key) || !until.Equal(failed.Add(delay))) {
				t.Fatalf("%s failed at %v: %v until %v; upstream says %v, %v", key, failed, delay, until, want, theirs.Get(key))
			}
			_, delay = ours.UntilSinceNoted(key)
			if want := theirs.IsInBackOffSinceUpdate(key, c.Now()); want != (delay > 0) {
				t.Fatalf("%s: %v since it was noted; upstream says %v", key, delay, want)
			}
		}
	}
}

func TestPause(t *testing.T) {
	p := Pause{First: time.Second, Most: 5 * time.Second}
	for round := range 2 {
		for i, want := range []time.Duration{1, 2, 4, 5, 5} {
			if got := p.Next(); got != want*time.Second {
				t.Errorf("round %d, failure %d: %v, want %v s", round+1, i+1, got, want)
			}
		}
		p.Reset()
	}
}

func TestWait(t *testing.T) {
	c := clocktesting.NewFakeClock(time.Unix(1000, 0))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	for _, end := range []struct {
		by   func()
		want error
	}{
		{func() { c.Step(time.Second) }, nil},
		{cancel, context.Canceled},
	} {
		go func() { done <- Wait(ctx, c, time.Second) }()
		for !c.HasWaiters() {
			runtime.Gosched()
		}
		end.by()
		if err := <-done; !errors.Is(err, end.want) {
			t.Errorf("got %v, want %v", err, end.want)
		}
		if c.HasWaiters() {
			t.Error("the timer is still there")
		}
	}
}
