package run

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/progress"
)

// Solution is the script that solves the open step, as a learner may read it.
func (s *Session) Solution() (string, error) {
	step, _, err := s.Step()
	if err != nil {
		return "", err
	}
	data, err := fs.ReadFile(s.Lab.FS, s.Lab.Solution(s.Lab.Index(step.ID)))
	if err != nil {
		return "", fmt.Errorf("reading the solution of step %s: %w", step.ID, err)
	}
	return string(data), nil
}

// Solve types the solution of the open step for the learner, who gets no
// points for it, and watches until the step passes.
func (s *Session) Solve(ctx context.Context, on func(Update)) error {
	step, state, err := s.Step()
	if err != nil {
		return err
	}
	if state.Passed(step.ID) {
		return nil
	}
	// The step may never have been watched: note what it remembers first.
	if _, err := s.remembered(ctx, step); err != nil {
		return err
	}
	err = s.update(func(l *progress.Lab) error {
		l.StepState(step.ID).Solved = true
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.Script(ctx, s.Lab.Solution(s.Lab.Index(step.ID))); err != nil {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, step.Limit,
		lang.Errorf("the solution of step %s didn't make it pass within %s: something that it doesn't mend stands in its way. `%s lab reset --step` builds this step's beginning again",
			"%s 단계의 풀이를 실행했지만 %s 안에 통과하지 못했습니다. 풀이가 고치지 않는 것이 가로막고 있습니다. `%s lab reset --step`으로 이 단계의 처음 상태를 다시 만드세요",
			step.ID, step.Limit, s.Env.Nori()))
	defer cancel()
	if err := s.Watch(limited, on); err != nil {
		if ctx.Err() == nil && limited.Err() != nil {
			return context.Cause(limited)
		}
		return err
	}
	return nil
}

// Script runs a script of the lab in the learner's environment; a status
// other than 0 is an error with what it printed.
func (s *Session) Script(ctx context.Context, name string) error {
	state, err := s.State()
	if err != nil {
		return err
	}
	out, err := s.scope(state, nil).Shell(ctx, name)
	if err != nil {
		return err
	}
	if out.Code != 0 {
		return fmt.Errorf("%s ended with status %d:\n    %s", name, out.Code,
			strings.ReplaceAll(strings.TrimSpace(out.Stdout+out.Stderr), "\n", "\n    "))
	}
	return nil
}

// Environment is the environment of the learner's shell.
func (s *Session) Environment() ([]string, error) {
	state, err := s.State()
	if err != nil {
		return nil, err
	}
	scope := s.scope(state, nil)
	scope.Kubeconfig = s.Env.Kubeconfig
	return scope.Environment(), nil
}
