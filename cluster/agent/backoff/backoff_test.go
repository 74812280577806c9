package backoff

import (
	"testing"
	"time"

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
