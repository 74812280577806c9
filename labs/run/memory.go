package run

import (
	"context"
	"fmt"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
)

// Remember lets the open step note what it remembers, if it hasn't yet. The
// live view does so when it shows the step; a script that acts at once must
// wait for it.
func (s *Session) Remember(ctx context.Context) error {
	step, _, err := s.Step()
	if err != nil {
		return err
	}
	_, err = s.remembered(ctx, step)
	return err
}

// remembered notes, once, what a step remembers, and gives the scope of its
// checks.
func (s *Session) remembered(ctx context.Context, step *format.Step) (*check.Scope, error) {
	state, err := s.State()
	if err != nil {
		return nil, err
	}
	st := state.StepState(step.ID)
	scope := s.scope(state, step)
	if err := s.noteFacts(ctx, st, step.ID); err != nil {
		return nil, err
	}
	if st.Ready || len(step.Remember) == 0 {
		return scope, nil
	}
	seen, err := s.recall(ctx, scope, step)
	if err != nil {
		return nil, err
	}
	scope.Seen = seen
	return scope, s.update(func(l *progress.Lab) error {
		st := l.StepState(step.ID)
		st.Seen, st.Ready = seen, true
		return nil
	})
}

// recall evaluates what a step remembers when it is opened. An object that
// isn't there is null.
func (s *Session) recall(ctx context.Context, scope *check.Scope, step *format.Step) (map[string]any, error) {
	seen := map[string]any{}
	for name, m := range step.Remember {
		sees, err := s.Cluster.See(ctx, scope, m.Object, m.List)
		if err != nil {
			return nil, fmt.Errorf("step %s, remembering %s: %w", step.ID, name, err)
		}
		value, err := m.Expr.Value(ctx, sees)
		if err != nil {
			return nil, fmt.Errorf("step %s, remembering %s: %w", step.ID, name, err)
		}
		seen[name] = value
	}
	return seen, nil
}
