package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
)

// There are two sorts of hints. Free ones are shown while what the cluster shows calls for
// them: what the learner took away (see damage), and the computed ones (`when` in lab.yaml).
// Tiers are taken one after another by a learner who wants them, and each has its price;
// somebody who is stuck is offered the next. A free one is about what this learner did, and
// so the better: nobody pays before it was read.

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

// Hint is help for a step. Number is that of a tier, of which there are Of; 0 is a free one.
type Hint struct {
	Text             string
	Cost, Number, Of int
}

// Hint gives the free hints that apply and were not asked for yet, all at once, or else
// takes the next tier of the open step. None means that there are no more.
func (s *Session) Hint(ctx context.Context) ([]Hint, error) {
	step, state, err := s.Step()
	if err != nil {
		return nil, err
	}
	if free, err := s.unreadFree(ctx, step, state); err != nil || len(free) > 0 {
		return free, err
	}
	section := s.Prose().Sections[step.ID]
	taken := state.StepState(step.ID).Hints
	if taken >= len(section.Hints) || taken >= len(step.Cost) {
		return nil, nil
	}
	h := Hint{Number: taken + 1, Of: len(step.Cost)}
	if h.Text, err = s.Render(ctx, section.Hints[taken], state); err != nil {
		return nil, err
	}
	if !state.Passed(step.ID) {
		h.Cost = step.Cost[taken]
	}
	err = s.update(func(l *progress.Lab) error {
		if st := l.StepState(step.ID); st.Hints == taken && st.Passed == nil {
			st.Hints++
		}
		return nil
	})
	return []Hint{h}, err
}

// unreadFree are the free hints of which there is one that was not asked for yet. They are
// noted: the next time it is a tier.
func (s *Session) unreadFree(ctx context.Context, step *format.Step, state *progress.Lab) ([]Hint, error) {
	st := state.StepState(step.ID)
	if st.Passed != nil {
		return nil, nil
	}
	scope, err := s.remembered(ctx, step)
	if err != nil {
		return nil, err
	}
	// A cluster that doesn't answer has none, and the tiers are texts that are there.
	texts, err := s.damage(ctx, step)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, id := range s.computedHints(ctx, scope, step) {
		text, err := s.ComputedHint(ctx, id)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	var out []Hint
	unread := false
	for _, text := range texts {
		out = append(out, Hint{Text: text})
		unread = unread || !slices.Contains(st.Read, text)
	}
	if !unread {
		return nil, nil
	}
	return out, s.update(func(l *progress.Lab) error {
		l.StepState(step.ID).Read = texts
		return nil
	})
}

// Hints gives the tiers already taken.
func (s *Session) Hints(ctx context.Context) ([]Hint, error) {
	step, state, err := s.Step()
	if err != nil {
		return nil, err
	}
	var out []Hint
	for i, t := range s.Prose().Sections[step.ID].Hints {
		if i >= state.StepState(step.ID).Hints {
			break
		}
		text, err := s.Render(ctx, t, state)
		if err != nil {
			return nil, err
		}
		out = append(out, Hint{Text: text, Cost: step.Cost[i], Number: i + 1, Of: len(step.Cost)})
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
