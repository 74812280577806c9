package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/world"
)

// Reset puts the lab's world back to its beginning and keeps the score
// history. A reset that was interrupted is completed by the next Start.
func (s *Session) Reset(ctx context.Context, say Say) error {
	return s.alone(ctx, say, s.reset)
}

func (s *Session) reset(ctx context.Context, say Say) error {
	err := s.Store.Update(func(all *progress.State) error {
		old := all.Labs[s.Lab.Key()]
		if old == nil {
			all.Labs[s.Lab.Key()] = s.fresh(nil)
			old = all.Labs[s.Lab.Key()]
		} else if old.Phase == progress.Underway && anyPassed(old) {
			old.History = append(old.History, attempt(s.Lab, old, false))
		}
		old.Phase = progress.Resetting
		all.Current = s.Lab.Key()
		return nil
	})
	if err != nil {
		return err
	}
	say(lang.Textf("removing the namespace %s", "%s 네임스페이스를 지웁니다", s.Namespace).String())
	if err := s.Remove(ctx); err != nil {
		return err
	}
	err = s.Store.Update(func(all *progress.State) error {
		all.Labs[s.Lab.Key()] = s.fresh(all.Labs[s.Lab.Key()])
		return nil
	})
	if err != nil {
		return err
	}
	return s.setup(ctx, say)
}

// ErrDone means that a lab has no open step: it was finished.
var ErrDone = errors.New("the lab is finished")

// ResetStep puts the open step back to its beginning, for a learner who broke what
// it can't be passed without: what was passed before stays passed. One that was
// interrupted is completed by the next Start.
func (s *Session) ResetStep(ctx context.Context, say Say) error {
	return s.alone(ctx, say, s.resetStep)
}

func (s *Session) resetStep(ctx context.Context, say Say) error {
	state, err := s.State()
	if err != nil {
		return err
	}
	switch state.Phase {
	case progress.Done:
		return ErrDone
	case progress.Underway:
	default:
		return s.start(ctx, say) // completes what was interrupted
	}
	if err := s.Store.Update(func(all *progress.State) error { all.Current = s.Lab.Key(); return nil }); err != nil {
		return err
	}
	say(lang.Textf("building the lab again up to the step %q", "%q 단계까지 실습 환경을 다시 만듭니다", s.heading(state.Step)).String())
	return s.rebuild(ctx, state, say)
}

// rebuild makes the lab's world again: setup, then the solution of every step
// that the learner had passed. The learner goes on where they were.
func (s *Session) rebuild(ctx context.Context, state *progress.Lab, say Say) (err error) {
	err = s.update(func(l *progress.Lab) error {
		l.Phase = progress.Rebuilding
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.removeObjects(ctx); err != nil { // the learner's, or what an interrupted rebuilding left
		return err
	}
	if err := s.undoSetup(ctx); err != nil {
		return fmt.Errorf("taking back what the lab did on machines: %w", err)
	}
	if err := s.prepare(ctx, state, say); err != nil {
		return err
	}
	// The learner's files may be half edited; solutions start from new ones.
	who, _ := s.Env.Scripter()
	dir, err := who.TempDir("nori-lab-")
	if err != nil {
		return fmt.Errorf("making a folder for the files: %w", err)
	}
	defer func() { err = errors.Join(err, who.RemoveAll(dir)) }()
	if err := s.handOutFiles(state, dir); err != nil {
		return err
	}
	for i := range s.Lab.Steps {
		step := &s.Lab.Steps[i]
		if !state.Passed(step.ID) {
			break
		}
		say(lang.Textf("replaying the step %q", "%q 단계를 다시 실행합니다", s.heading(step.ID)).String())
		if err := s.replay(ctx, state, i, dir); err != nil {
			return fmt.Errorf("building step %s again: %w\n    remedy: %s lab reset %s begins anew", step.ID, err, s.Env.Nori(), s.Lab.Word())
		}
	}
	// What the open step remembers has to be noted in the new world.
	return s.update(func(l *progress.Lab) error {
		l.Phase, l.StepState(l.Step).Ready, l.StepState(l.Step).Opened = progress.Underway, false, now()
		l.StepState(l.Step).Acted, l.StepState(l.Step).Rest, l.StepState(l.Step).Before = time.Time{}, 0, nil
		return nil
	})
}

// replay solves one step in a world of its own memory.
func (s *Session) replay(ctx context.Context, state *progress.Lab, i int, dir string) error {
	step := &s.Lab.Steps[i]
	scope := s.scope(state, step)
	scope.Files = dir
	seen, err := s.recall(ctx, scope, step)
	if err != nil {
		return err
	}
	scope.Seen = seen
	out, err := scope.Shell(ctx, s.Lab.Solution(i))
	if err != nil {
		return err
	}
	if out.Code != 0 {
		return fmt.Errorf("its solution ended with status %d: %s", out.Code, out.Stderr)
	}
	err = world.Until(ctx, s.patient(step.Limit), lang.Textf("the step %q to hold", "%q 단계의 통과", s.heading(step.ID)), func(ctx context.Context) (bool, error) {
		return allHold(s.plain(ctx, scope, step)), nil
	})
	if err != nil {
		return err
	}
	results, ok := s.trigger(ctx, scope, step, func(string) {})
	if !ok {
		return fmt.Errorf("the check %s doesn't hold: %s", results[len(results)-1].ID, results[len(results)-1].Actual)
	}
	return nil
}
