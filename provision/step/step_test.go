package step

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"noriter.dev/noriter/internal/lang"
)

func TestRunHonoursNeeds(t *testing.T) {
	var mu sync.Mutex
	var order []string
	mk := func(id string, needs ...string) Step {
		return Step{ID: id, Needs: needs, Run: func(context.Context, func(string)) error {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, id)
			return nil
		}}
	}
	steps := []Step{mk("a"), mk("b", "a"), mk("c", "a"), mk("d", "b", "c")}
	if err := Run(context.Background(), steps, nil); err != nil {
		t.Fatal(err)
	}
	if len(order) != 4 || order[0] != "a" || order[3] != "d" {
		t.Errorf("ran in the order %v", order)
	}
}

func TestStepsWithoutNeedsRunTogether(t *testing.T) {
	meet := make(chan struct{})
	a := Step{ID: "a", Run: func(ctx context.Context, _ func(string)) error {
		select {
		case meet <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	b := Step{ID: "b", Run: func(ctx context.Context, _ func(string)) error {
		select {
		case <-meet:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := Run(ctx, []Step{a, b}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestFirstFailureIsTold(t *testing.T) {
	boom := errors.New("boom")
	var events []Event
	waiting := make(chan struct{})
	steps := []Step{
		{ID: "slow", Run: func(ctx context.Context, _ func(string)) error {
			close(waiting)
			<-ctx.Done()
			return ctx.Err()
		}},
		{ID: "bad", Title: lang.Text{EN: "Bad"}, Run: func(context.Context, func(string)) error { <-waiting; return boom }},
		{ID: "never", Needs: []string{"bad"}, Run: func(context.Context, func(string)) error {
			t.Error("a step ran whose need had failed")
			return nil
		}},
	}
	err := Run(context.Background(), steps, func(e Event) { events = append(events, e) })
	var se *Error
	if !errors.As(err, &se) || se.Step.ID != "bad" || !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	for _, e := range events {
		if e.Kind == Failed && e.Step.ID != "bad" {
			t.Errorf("the end of %q was shown as a failure of its own", e.Step.ID)
		}
	}
}

func TestLimit(t *testing.T) {
	steps := []Step{{ID: "x", Limit: time.Millisecond, Run: func(ctx context.Context, _ func(string)) error {
		<-ctx.Done()
		return errors.New("waiting for the moon")
	}}}
	err := Run(context.Background(), steps, nil)
	if err == nil || !strings.Contains(err.Error(), "not done after 1ms") || !strings.Contains(err.Error(), "the moon") {
		t.Errorf("got %v", err)
	}
}

func TestCancelledRun(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Run(ctx, []Step{{ID: "x"}}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCheck(t *testing.T) {
	if err := Check([]Step{{ID: "a", Needs: []string{"b"}}, {ID: "b"}}); err == nil {
		t.Error("a need that comes later was accepted")
	}
	if err := Check([]Step{{ID: "a"}, {ID: "a"}}); err == nil {
		t.Error("a step listed twice was accepted")
	}
}
