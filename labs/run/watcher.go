package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
)

// watcher is one watch of one step.
type watcher struct {
	s      *Session
	step   *format.Step
	on     func(Update)
	opened time.Time

	last     []check.Result
	lastHint []string
	told     bool
	tries    int
	// lastStuck is whether help was offered already.
	lastStuck bool
	// acted are the results of the triggered checks, from the last time they ran.
	acted []check.Result
	// notBefore keeps triggered checks from killing pods again and again.
	notBefore time.Time
	pause     time.Duration
}

// Pauses between two runs of a triggered check that failed.
const (
	firstPause = 10 * time.Second
	longPause  = 60 * time.Second
)

// look evaluates the step once, tells of what changed, and records a pass.
func (w *watcher) look(ctx context.Context) (passed bool, err error) {
	if open, err := w.isOpen(); err != nil || !open {
		return false, err
	}
	scope, err := w.remembered(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		w.tell(unseen(w.step, err), nil, "")
		return false, nil
	}
	results := w.s.plain(ctx, scope, w.step)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if !allHold(results) {
		// What the last act found is still the answer to "why not?", and most
		// often it was the act itself that broke what doesn't hold now.
		w.tell(append(results, w.found()...), w.s.computedHints(ctx, scope, w.step), "")
		return false, nil
	}
	if triggers(w.step) == 0 {
		return w.pass(results)
	}
	if time.Now().Before(w.notBefore) {
		w.tell(append(results, w.found()...), nil, "")
		return false, nil
	}
	w.tell(append(results, acting(w.step)...), nil, lang.T("now it is tried out", "이제 실제로 시험해 봅니다"))
	acted, ok := w.s.trigger(ctx, scope, w.step, func(text string) {
		w.tell(append(results, acting(w.step)...), nil, text)
	})
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if ok {
		return w.pass(append(results, acted...))
	}
	w.acted = acted
	w.pause = min(max(w.pause*2, firstPause), longPause)
	w.notBefore = time.Now().Add(w.pause)
	w.tell(append(results, w.found()...), w.s.computedHints(ctx, scope, w.step), "")
	return false, nil
}

// isOpen says whether the step may be judged now. While the lab's world is being
// made it may not: what was remembered is of the world before. One that was opened
// anew begins from nothing.
func (w *watcher) isOpen() (bool, error) {
	state, err := w.s.State()
	if err != nil {
		return false, err
	}
	if state.Phase != progress.Underway {
		return false, nil
	}
	if state.Step != w.step.ID {
		return false, ErrMoved
	}
	if opened := state.StepState(w.step.ID).Opened; !opened.Equal(w.opened) {
		*w = watcher{s: w.s, step: w.step, on: w.on, opened: opened}
	}
	return true, nil
}

// found are the results of the triggered checks as far as they are known: from
// the last time they ran, and waiting for those that it didn't get to.
func (w *watcher) found() []check.Result {
	return append(slices.Clone(w.acted), waiting(w.step)[len(w.acted):]...)
}

// remembered notes, once, what the step remembers, and gives the scope.
func (w *watcher) remembered(ctx context.Context) (*check.Scope, error) {
	state, err := w.s.State()
	if err != nil {
		return nil, err
	}
	st := state.StepState(w.step.ID)
	scope := w.s.scope(state, w.step)
	if st.Ready || len(w.step.Remember) == 0 {
		return scope, nil
	}
	seen, err := w.s.recall(ctx, scope, w.step)
	if err != nil {
		return nil, err
	}
	scope.Seen = seen
	return scope, w.s.update(func(l *progress.Lab) error {
		st := l.StepState(w.step.ID)
		st.Seen, st.Ready = seen, true
		return nil
	})
}

// tell passes an update on if it says anything new.
func (w *watcher) tell(results []check.Result, hints []string, doing string) {
	stuck := time.Since(w.opened) > stuckAfter || w.tries >= stuckTries
	if w.told && doing == "" && slices.Equal(results, w.last) && slices.Equal(hints, w.lastHint) && stuck == w.lastStuck {
		return
	}
	if w.told && !slices.Equal(results, w.last) {
		w.tries++
	}
	w.told, w.last, w.lastHint, w.lastStuck = true, results, hints, stuck
	w.on(Update{Step: w.step, Results: results, Hints: hints, Doing: doing, Stuck: stuck})
}

// pass records that the step has passed, and why, before it says so; unless it
// was opened anew while it was looked at.
func (w *watcher) pass(results []check.Result) (passed bool, err error) {
	var facts []string
	for _, r := range results {
		facts = append(facts, r.Fact)
	}
	same := false
	err = w.s.update(func(l *progress.Lab) error {
		st := l.StepState(w.step.ID)
		same = l.Phase == progress.Underway && l.Step == w.step.ID && st.Opened.Equal(w.opened)
		if same && st.Passed == nil {
			t := now()
			st.Passed, st.Facts = &t, facts
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("the step has passed, but noting it failed: %w", err)
	}
	if same {
		w.on(Update{Step: w.step, Results: results, Passed: true, Facts: facts})
	}
	return same, nil
}

// checksAtOnce is how many checks look at the cluster side by side: a page
// that takes its time shall not keep the others.
const checksAtOnce = 4

// plain evaluates all checks of a step that aren't triggered.
func (s *Session) plain(ctx context.Context, scope *check.Scope, step *format.Step) []check.Result {
	var checks []*check.Check
	for i := range step.Checks {
		if c := &step.Checks[i]; c.Triggered() == nil {
			checks = append(checks, c)
		}
	}
	out := make([]check.Result, len(checks))
	var group errgroup.Group
	group.SetLimit(checksAtOnce)
	for i, c := range checks {
		group.Go(func() error {
			out[i] = s.Cluster.Run(ctx, scope, c)
			return nil
		})
	}
	_ = group.Wait() // what went wrong is in the results
	return out
}

// trigger runs the triggered checks in order; the first that fails ends it.
func (s *Session) trigger(ctx context.Context, scope *check.Scope, step *format.Step, say Say) (results []check.Result, ok bool) {
	for i := range step.Checks {
		c := &step.Checks[i]
		if c.Triggered() == nil {
			continue
		}
		r := s.Cluster.Trigger(ctx, scope, c, say)
		results = append(results, r)
		if r.State != check.Holds {
			return results, false
		}
	}
	return results, true
}

func allHold(results []check.Result) bool {
	return !slices.ContainsFunc(results, func(r check.Result) bool { return r.State != check.Holds })
}

func triggers(step *format.Step) int { return len(waiting(step)) }

// waiting are the results of triggered checks whose turn hasn't come.
func waiting(step *format.Step) []check.Result { return triggered(step, check.Waiting) }

func acting(step *format.Step) []check.Result { return triggered(step, check.Acting) }

func triggered(step *format.Step, state check.State) []check.Result {
	var out []check.Result
	for i := range step.Checks {
		c := &step.Checks[i]
		if c.Triggered() == nil {
			continue
		}
		r := check.Result{ID: c.ID, State: state}
		if c.Expect != nil {
			r.Expected = c.Expect.Text.String()
		}
		out = append(out, r)
	}
	return out
}

// unseen are the results where the cluster couldn't be looked at.
func unseen(step *format.Step, err error) []check.Result {
	var out []check.Result
	for i := range step.Checks {
		out = append(out, check.Result{ID: step.Checks[i].ID, State: check.Unknown, Actual: err.Error()})
	}
	return out
}
