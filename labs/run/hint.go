package run

import (
	"context"
	"fmt"
	"time"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
)

// There are two sorts of hints. Computed ones are free, and shown while what
// the cluster shows calls for them (`when` in lab.yaml). Tiers are taken one
// after another by a learner who wants them, and each has its price; somebody
// who is stuck is offered the next.

// When help is offered.
const (
	stuckAfter = 3 * time.Minute
	stuckTries = 6
)

// stuck says that it is time to offer help: the step was opened long ago, or
// tried often.
func stuck(opened time.Time, tries int) bool {
	return time.Since(opened) > stuckAfter || tries >= stuckTries
}

// computedHints gives the computed hints of a step that apply now. A condition
// that can't be decided doesn't.
func (s *Session) computedHints(ctx context.Context, scope *check.Scope, step *format.Step) []string {
	var out []string
	for i := range step.When {
		w := &step.When[i]
		sees, err := s.Cluster.See(ctx, scope, w.Object, w.List)
		if err != nil {
			continue
		}
		if v, err := w.Expr.Test(ctx, sees); err == nil && v.True {
			out = append(out, w.Hint)
		}
	}
	return out
}

// Hint takes the next tier of the open step's hints and says what it cost.
// ok is false when there is none left.
func (s *Session) Hint(ctx context.Context) (text string, cost int, ok bool, err error) {
	step, state, err := s.Step()
	if err != nil {
		return "", 0, false, err
	}
	section := s.Prose().Sections[step.ID]
	taken := state.StepState(step.ID).Hints
	if taken >= len(section.Hints) || taken >= len(step.Cost) {
		return "", 0, false, nil
	}
	if text, err = s.Render(ctx, section.Hints[taken], state); err != nil {
		return "", 0, false, err
	}
	if !state.Passed(step.ID) {
		cost = step.Cost[taken]
	}
	err = s.update(func(l *progress.Lab) error {
		if st := l.StepState(step.ID); st.Hints == taken && st.Passed == nil {
			st.Hints++
		}
		return nil
	})
	return text, cost, err == nil, err
}

// Hints gives the tiers already taken.
func (s *Session) Hints(ctx context.Context) ([]string, error) {
	step, state, err := s.Step()
	if err != nil {
		return nil, err
	}
	var out []string
	for i, t := range s.Prose().Sections[step.ID].Hints {
		if i >= state.StepState(step.ID).Hints {
			break
		}
		text, err := s.Render(ctx, t, state)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

// ComputedHint is the text of a hint that a `when` shows.
func (s *Session) ComputedHint(ctx context.Context, id string) (string, error) {
	step, state, err := s.Step()
	if err != nil {
		return "", err
	}
	t := s.Prose().Sections[step.ID].Computed[id]
	if t == nil {
		return "", fmt.Errorf("step %s has no hint %q", step.ID, id)
	}
	return s.Render(ctx, t, state)
}

// price is what the tiers that were taken cost together.
func price(step *format.Step, taken int) (sum int) {
	for _, cost := range step.Cost[:min(taken, len(step.Cost))] {
		sum += cost
	}
	return sum
}
