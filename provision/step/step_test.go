package step

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
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
	ends := map[string]Kind{}
	for _, e := range events {
		ends[e.Step.ID] = e.Kind
	}
	if want := map[string]Kind{"slow": Interrupted, "bad": Failed}; !maps.Equal(ends, want) {
		t.Errorf("the steps ended as %v, want %v: one that was ended did not fail by itself", ends, want)
	}
}

// What the caller ends has not failed, even if the step says something else than
// that it was cancelled.
func TestInterrupt(t *testing.T) {
	for name, says := range map[string]error{"the context's error": context.Canceled, "another": errors.New("the connection was lost")} {
		t.Run(name, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			ends := map[string]Kind{}
			var both sync.WaitGroup
			both.Add(2)
			work := func(ctx context.Context, _ func(string)) error {
				both.Done()
				both.Wait()
				interrupt()
				<-ctx.Done()
				return says
			}
			steps := []Step{{ID: "a", Run: work}, {ID: "b", Run: work}, {ID: "c", Needs: []string{"a"}, Run: work}}
			err := Run(ctx, steps, func(e Event) { ends[e.Step.ID] = e.Kind })
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if want := map[string]Kind{"a": Interrupted, "b": Interrupted}; !maps.Equal(ends, want) {
				t.Errorf("the steps ended as %v, want %v", ends, want)
			}
		})
	}
}

// A step that waits long says for what, as long as it waits.
func TestLongWaitsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var said []string
		steps := []Step{{ID: "x", Run: func(ctx context.Context, note func(string)) error {
			err := wait.Until(ctx, time.Second, lang.Text{EN: "the moon", KO: "달"}, func(context.Context) (bool, string, error) {
				return time.Since(begun) > time.Minute, "clouds", nil
			})
			note("found")
			return err
		}}}
		if err := Run(t.Context(), steps, func(e Event) {
			if e.Kind == Waiting || e.Kind == Noted {
				said = append(said, e.Note)
			}
		}); err != nil {
			t.Error(err)
		}
		if want := []string{"waiting for the moon: clouds", "", "found"}; !slices.Equal(said, want) {
			t.Errorf("said was %q, want %q", said, want)
		}
	})
}

func TestPatient(t *testing.T) {
	steps := []Step{{ID: "a"}, {ID: "b", Limit: time.Minute}}
	for factor, want := range map[int][]time.Duration{0: {3 * time.Minute, time.Minute}, 4: {12 * time.Minute, 4 * time.Minute}} {
		slow := Patient(steps, factor)
		if got := []time.Duration{slow[0].limit(), slow[1].limit()}; !slices.Equal(got, want) {
			t.Errorf("times %d the limits are %v, want %v", factor, got, want)
		}
	}
	if steps[0].Limit != 0 {
		t.Error("the list that was given was changed")
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

func TestSay(t *testing.T) {
	var got []Event
	steps := []Step{{ID: "a", Run: func(ctx context.Context, _ func(string)) error { Say(ctx, "a line"); return nil }}}
	if err := Run(t.Context(), steps, func(e Event) { got = append(got, e) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[1].Kind != Said || got[1].Note != "a line" || got[1].Step.ID != "a" || got[2].Kind != Done {
		t.Errorf("got %+v", got)
	}
	Say(Hearing(t.Context(), func(e Event) { got = append(got, e) }), "another")
	if last := got[len(got)-1]; last.Kind != Said || last.Note != "another" || last.Step != nil {
		t.Errorf("got %+v", last)
	}
	Say(t.Context(), "to nobody")
	Say(Hearing(t.Context(), nil), "to nobody")
}
