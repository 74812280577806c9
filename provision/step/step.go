// Package step runs a visible list of steps. The list is the table of
// contents of what is being done; each step says what it needs, and steps
// whose needs are met run side by side.
//
// It knows neither machines nor Kubernetes.
package step

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

// Step is one entry of a list. Run must be idempotent: a list that was
// interrupted is simply run again from its start.
type Step struct {
	// ID names the step to others, in their Needs.
	ID string
	// Title is what a person sees.
	Title lang.Text
	// Needs are the IDs of the steps that must be done first.
	Needs []string
	// Limit ends the step; 0 means three minutes. It is that of machines as fast as
	// this host; see Patient.
	Limit time.Duration
	// Advice says what a person can do when the step fails.
	Advice lang.Text
	// Run does the work. What it says through note is shown beside the title.
	Run func(ctx context.Context, note func(string)) error
}

// defaultLimit is how long a step may take that names no limit: it ends what
// hangs, and not what is slow on a busy host.
const defaultLimit = 3 * time.Minute

// Patient gives the steps with their limits multiplied, for slow machines.
func Patient(steps []Step, factor int) []Step {
	slow := slices.Clone(steps)
	for i := range slow {
		slow[i].Limit = slow[i].limit() * time.Duration(max(factor, 1))
	}
	return slow
}

func (s *Step) limit() time.Duration {
	if s.Limit == 0 {
		return defaultLimit
	}
	return s.Limit
}

// Kind says what an Event is about.
type Kind int

// The kinds of events, in the order in which a step goes through them. A step ends
// with one of the last three.
const (
	Started Kind = iota
	Noted
	// Waiting says what the step has been waiting for (wait.Showing); an empty Note
	// says that it is not any more.
	Waiting
	Done
	Failed
	// Interrupted is a step that was ended by something else than its own: the
	// caller's context, or another step that failed.
	Interrupted
)

// Event is one thing that happened to a step.
type Event struct {
	Step    *Step
	Kind    Kind
	Note    string
	Elapsed time.Duration
	Err     error
}

// Reporter shows events. It is called from one goroutine at a time.
type Reporter func(Event)

// Error is the failure of a step.
type Error struct {
	Step *Step
	Err  error
}

// Error names the step, and what was seen.
func (e *Error) Error() string { return fmt.Sprintf("%v: %v", e.Step.Title, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Run runs all steps and returns when none is running any more. The first
// failure keeps further steps from starting, and lets those under way end by
// cancelling their context; it is returned as an *Error. If ctx ends, so does
// what runs, and the error wraps the context's.
func Run(ctx context.Context, steps []Step, report Reporter) error {
	r := &run{caller: ctx, report: report, finished: map[string]bool{}, started: map[string]bool{}}
	if err := Check(steps); err != nil {
		return err
	}
	if report == nil {
		r.report = func(Event) {}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan *Step)
	running := 0
	for {
		if !r.failed() && ctx.Err() == nil {
			for i := range steps {
				if s := &steps[i]; r.mayStart(s) {
					r.started[s.ID] = true
					running++
					go func() {
						r.runStep(ctx, s)
						ended <- s
					}()
				}
			}
		}
		if running == 0 {
			break
		}
		<-ended
		running--
		if r.failed() {
			cancel()
		}
	}
	if r.err == nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return r.err
}

// Check reports a list that could never be finished: a step twice, a need
// that no step before it meets.
func Check(steps []Step) error {
	seen := map[string]bool{}
	for _, s := range steps {
		if seen[s.ID] {
			return fmt.Errorf("step %q is listed twice", s.ID)
		}
		for _, n := range s.Needs {
			if !seen[n] {
				return fmt.Errorf("step %q needs %q, which no step before it is", s.ID, n)
			}
		}
		seen[s.ID] = true
	}
	return nil
}

type run struct {
	caller  context.Context
	report  Reporter
	started map[string]bool

	mu       sync.Mutex
	finished map[string]bool
	err      error
}

func (r *run) failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err != nil
}

func (r *run) mayStart(s *Step) bool {
	if r.started[s.ID] {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range s.Needs {
		if !r.finished[n] {
			return false
		}
	}
	return true
}

func (r *run) runStep(ctx context.Context, s *Step) {
	limit := s.limit()
	cause := lang.Errorf("not done after %v", "%v 안에 끝나지 않았습니다", limit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, cause)
	defer cancel()
	begin := time.Now()
	ctx = wait.Showing(ctx, func(n string) { r.tell(Event{Step: s, Kind: Waiting, Note: n, Elapsed: time.Since(begin)}) })
	r.tell(Event{Step: s, Kind: Started})
	err := s.Run(r.saying(ctx, s), func(n string) { r.tell(Event{Step: s, Kind: Noted, Note: n, Elapsed: time.Since(begin)}) })
	if err != nil && errors.Is(context.Cause(ctx), cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	r.end(Event{Step: s, Elapsed: time.Since(begin), Err: err})
}

// end tells how a step ended.
func (r *run) end(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case e.Err == nil:
		e.Kind = Done
		r.finished[e.Step.ID] = true
	case r.caller.Err() != nil:
		// Whatever it says: it was not given the time to do it.
		e.Kind, e.Err = Interrupted, fmt.Errorf("%w: %w", context.Cause(r.caller), e.Err)
	case r.err != nil && errors.Is(e.Err, context.Canceled):
		// It was ended because another failed; that one is the news.
		e.Kind = Interrupted
	default:
		e.Kind = Failed
	}
	if e.Kind >= Failed && r.err == nil {
		r.err = &Error{Step: e.Step, Err: e.Err}
	}
	r.report(e)
}

func (r *run) tell(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report(e)
}
