package run_test

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestWorldsAreMadeOneAtATime: what makes or removes a world waits for another
// process that does, says so, and can be broken off while it waits.
func TestWorldsAreMadeOneAtATime(t *testing.T) {
	s, w := started(t)
	unlock, err := s.Store.TryMaking() // as another process would
	if err != nil {
		t.Fatal(err)
	}
	before := s.Namespace
	for name, act := range map[string]func(context.Context, func(string)) error{
		"start": func(ctx context.Context, say func(string)) error { return s.Start(ctx, say) },
		"reset": func(ctx context.Context, say func(string)) error { return s.Reset(ctx, say) },
		"step":  func(ctx context.Context, say func(string)) error { return s.ResetStep(ctx, say) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		said := ""
		err := act(ctx, func(text string) { said += text + "\n" })
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || said != "waiting for another nori, which makes or removes a lab's world on this testbed\n" {
			t.Errorf("%s: %v; said %q", name, err, said)
		}
	}
	if ns, err := w.Cluster.Get(t.Context(), "Namespace", "v1", "", before); err != nil || ns == nil {
		t.Fatalf("the world of the process that waited is gone: %v", err)
	}
	done := make(chan error, 1)
	waits := make(chan struct{})
	go func() { done <- s.Reset(t.Context(), func(string) { closeOnce(waits) }) }()
	<-waits
	unlock()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}
