package run_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/run"
)

// TestWhatTheActFoundStays: on a slow machine the act itself leaves the world
// in pieces for a while (a pod that was killed is back, but not ready yet).
// What it found must not be forgotten over that.
func TestWhatTheActFoundStays(t *testing.T) {
	s, _ := started(t)
	state, _ := s.State()
	write(t, s, "one", state.Vars["color"])
	passes(t, s, 10*time.Second)
	if _, err := s.Advance(context.Background()); err != nil {
		t.Fatal(err)
	}
	write(t, s, "heal", "")
	write(t, s, "two", "2")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tripped := false
	err := s.Watch(ctx, func(u run.Update) {
		if len(u.Results) != 2 {
			t.Fatalf("%+v", u.Results)
		}
		switch written, stays := u.Results[0].State, u.Results[1].State; {
		case !tripped && stays == check.Fails:
			tripped = true
			if err := os.Remove(filepath.Join(s.Env.Work(s.Lab.ID), "two")); err != nil {
				t.Error(err)
			}
		case tripped && written == check.Fails:
			if stays != check.Fails {
				t.Errorf("what the act found was forgotten: %+v", u.Results)
			}
			cancel()
		}
	})
	if !tripped || err == nil {
		t.Errorf("tripped %v, %v", tripped, err)
	}
}
