package run

import (
	"context"
	"errors"
	"time"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
)

// How often a step is looked at. Live objects are watched, so their checks
// only need the slow beat, in case a watch was lost; pages, logs, commands
// and events have no watch.
const (
	fastBeat = 500 * time.Millisecond
	slowBeat = 2 * time.Second
	settle   = 30 * time.Millisecond // a change seldom comes alone
)

// Update is what a look at the open step has found.
type Update struct {
	Step    *format.Step
	Results []check.Result
	Passed  bool
	// Facts are what made the step pass.
	Facts []string
	// Hints are the computed hints that apply now.
	Hints []string
	// Damage is what the learner took away or made elsewhere since the step was opened, and
	// the commands that mend it.
	Damage []string
	// Doing is set while a triggered check is at work.
	Doing string
	// Stuck says that it is time to offer help.
	Stuck bool
}

// Watch looks at the open step until it passes, and tells on of every change.
// It returns nil when the step has passed and that is on disk.
func (s *Session) Watch(ctx context.Context, on func(Update)) error {
	step, state, err := s.Step()
	if err != nil {
		return err
	}
	if state.Passed(step.ID) {
		on(Update{Step: step, Passed: true, Facts: state.Steps[step.ID].Told(), Results: heldResults(step, state)})
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go s.lookIfGone(ctx, cancel)
	g := &grader{s: s, step: step, on: on, opened: state.StepState(step.ID).Opened, stirred: newStir(ctx, s)}
	changed := s.changes(ctx, step)
	beat := slowBeat
	for i := range step.Checks {
		if _, live := step.Checks[i].Watches(); !live {
			beat = fastBeat
		}
	}
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		passed, err := g.grade(ctx)
		if err != nil || passed {
			return orGone(ctx, err)
		}
		select {
		case <-ctx.Done():
			return orGone(ctx, ctx.Err())
		case <-ticker.C:
			if s.worldIsGone(ctx) {
				return ErrWorldGone
			}
		case <-changed:
			select {
			case <-ctx.Done():
				return orGone(ctx, ctx.Err())
			case <-time.After(settle):
			}
		}
	}
}

// ErrMoved means that another process went on in the lab, or reset it: another step
// is open now.
var ErrMoved = errors.New("another step is open now")

// ErrWorldGone means that the cluster was put back meanwhile to a state that does
// not have the lab's world; Start builds it again.
var ErrWorldGone = errors.New("the lab's world is not there any more")

// ErrTestbedGone means that the testbed was removed meanwhile.
var ErrTestbedGone = errors.New("the testbed is not there any more")

// goneBeat is how often it is looked whether the testbed is there: apart from all
// else, since what asks a cluster that is gone waits long for the answer.
const goneBeat = time.Second

// lookIfGone ends a watch with ErrTestbedGone when the testbed is gone.
func (s *Session) lookIfGone(ctx context.Context, end context.CancelCauseFunc) {
	if s.Env.Gone == nil {
		return
	}
	ticker := time.NewTicker(goneBeat)
	defer ticker.Stop()
	for !s.Env.Gone() {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
	end(ErrTestbedGone)
}

// orGone is err, or that the testbed is gone, if that is why.
func orGone(ctx context.Context, err error) error {
	if gone := context.Cause(ctx); errors.Is(gone, ErrTestbedGone) {
		return gone
	}
	return err
}

// worldIsGone is sure of it: no answer, or a reset that is under way, is no sign.
func (s *Session) worldIsGone(ctx context.Context) bool {
	state, err := s.State()
	if err != nil || state.Phase != progress.Underway {
		return false
	}
	there, err := s.world(state).IsThere(ctx)
	return err == nil && !there
}

// heldResults are the results of a step that has passed already.
func heldResults(step *format.Step, state *progress.Lab) []check.Result {
	facts := state.Steps[step.ID].Told()
	var out []check.Result
	for i, c := range step.Checks {
		r := check.Result{ID: c.ID, State: check.Holds}
		if i < len(facts) {
			r.Fact = facts[i]
		}
		out = append(out, r)
	}
	return out
}

// Look evaluates the open step once, triggered checks included if their turn
// has come, and counts a try that didn't pass.
func (s *Session) Look(ctx context.Context) (Update, error) {
	var last Update
	step, state, err := s.Step()
	if err != nil {
		return last, err
	}
	if state.Passed(step.ID) {
		return Update{Step: step, Passed: true, Facts: state.Steps[step.ID].Told(), Results: heldResults(step, state)}, nil
	}
	g := &grader{s: s, step: step, on: func(u Update) { last = u }, opened: state.StepState(step.ID).Opened, asked: true}
	if _, err := g.grade(ctx); err != nil {
		return last, err
	}
	if last.Passed {
		return last, nil
	}
	err = s.update(func(l *progress.Lab) error {
		st := l.StepState(step.ID)
		st.Tries++
		last.Stuck = last.Stuck || stuck(st.Opened, st.Tries)
		return nil
	})
	return last, err
}
