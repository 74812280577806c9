package loop

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

func TestFailuresAreTriedAgainAndForgotten(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var calls atomic.Int32
	l := New("test", clock.RealClock{}, func(context.Context, string) error {
		if calls.Add(1) < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx, 2) }()
	l.Add(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}})
	for calls.Load() < 3 {
		if ctx.Err() != nil {
			t.Fatalf("tried %d times, want 3", calls.Load())
		}
		time.Sleep(time.Millisecond)
	}
	for l.queue.NumRequeues("default/web") != 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if n := l.queue.NumRequeues("default/web"); n != 0 {
		t.Errorf("%d failures are remembered after a success", n)
	}
	cancel()
	<-done
}

func TestAKeyIsNeverWorkedOnTwiceAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	var busy, calls atomic.Int32
	var overlap atomic.Bool
	l := New("test", clock.RealClock{}, func(context.Context, string) error {
		if busy.Add(1) > 1 {
			overlap.Store(true)
		}
		time.Sleep(2 * time.Millisecond)
		busy.Add(-1)
		calls.Add(1)
		return nil
	})
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx, 4) })
	for i := 0; calls.Load() < 5 && ctx.Err() == nil; i++ {
		l.AddKey("default/web")
		time.Sleep(time.Millisecond)
	}
	cancel()
	running.Wait()
	if overlap.Load() {
		t.Error("two workers had the same key at once")
	}
}

func TestTombstonesAreQueuedByName(t *testing.T) {
	l := New("test", clock.RealClock{}, nil)
	l.Handler().OnDelete(cache.DeletedFinalStateUnknown{Key: "default/gone"})
	if l.queue.Len() != 1 {
		t.Fatalf("%d keys queued, want 1", l.queue.Len())
	}
	if key, _ := l.queue.Get(); key != "default/gone" {
		t.Errorf("queued %q", key)
	}
}
