package run_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/run"
)

// TestOneGrader watches a step from four places while its solution is typed by a fifth:
// all hear that it has passed, and what is tried out is tried out once.
func TestOneGrader(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, w := started(t)
	solve(t, s)
	if err := s.Watch(ctx, func(run.Update) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Advance(ctx); err != nil {
		t.Fatal(err)
	}
	var deleted atomic.Int32
	old := w.OnDelete
	w.OnDelete = func(namespace, name string) { deleted.Add(1); old(namespace, name) }
	var group sync.WaitGroup
	for range 4 {
		other := *s
		group.Go(func() {
			var last run.Update
			if err := other.Watch(ctx, func(u run.Update) { last = u }); err != nil || !last.Passed || last.Step.ID != "two" {
				t.Errorf("watching ended with %v, passed %v", err, last.Passed)
			}
			if _, err := other.Advance(ctx); err != nil { // as a screen does
				t.Errorf("going on: %v", err)
			}
		})
	}
	var last run.Update
	if err := s.Solve(ctx, func(u run.Update) { last = u }); err != nil || !last.Passed {
		t.Errorf("solving ended with %v, passed %v", err, last.Passed)
	}
	group.Wait()
	if n := deleted.Load(); n != 1 {
		t.Errorf("the pod was killed %d times", n)
	}
}

// TestWhoeverTriedInVain keeps a second watcher from trying the same again at once.
func TestWhoeverTriedInVain(t *testing.T) {
	s, w := started(t)
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	solve(t, s)
	if err := s.Watch(ctx, func(run.Update) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Advance(ctx); err != nil {
		t.Fatal(err)
	}
	var deleted atomic.Int32
	w.OnDelete = func(namespace, name string) { // something makes it again
		deleted.Add(1)
		back := labtest.Pod(namespace, "v", "app=v")
		back.SetUID("uid-again")
		w.Put(back)
	}
	write(t, s, "two", "2")
	var group sync.WaitGroup
	var tried atomic.Int32
	for range 3 {
		other := *s
		group.Go(func() {
			acts := false
			_ = other.Watch(ctx, func(u run.Update) { acts = acts || u.Results[1].State == check.Acting })
			if acts {
				tried.Add(1)
			}
		})
	}
	group.Wait()
	if n, by := deleted.Load(), tried.Load(); n != 1 || by != 1 {
		t.Errorf("the pod was killed %d times, and %d tried", n, by)
	}
	if u, err := s.Look(context.Background()); err != nil || deleted.Load() != 2 || u.Results[len(u.Results)-1].State != check.Fails {
		t.Errorf("who asks is answered: killed %d times, %+v, %v", deleted.Load(), u.Results, err)
	}
}

// TestWhoAsksWaitsForTheTurn: a look at a moment at which another process grades, for the
// blink that this takes, is answered with what is so, and not with "not yet".
func TestWhoAsksWaitsForTheTurn(t *testing.T) {
	s, _ := started(t)
	solve(t, s)
	if _, err := s.Advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, s, "two", "2")
	unlock, err := s.Store.TryGrading()
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, unlock)
	if u, err := s.Look(t.Context()); err != nil || !u.Passed {
		t.Errorf("passed %v with %+v, %v", u.Passed, u.Results, err)
	}
}
