package run

import (
	"context"
	"errors"
	"time"

	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
)

// ErrReopened means that the lab can't end because a step that must hold
// until the end doesn't any more; it is open again.
var ErrReopened = errors.New("a step that must hold until the end no longer does")

// Advance opens the next step. done is true when the lab has been finished.
func (s *Session) Advance(ctx context.Context) (done bool, err error) {
	_, state, err := s.Step()
	if err != nil {
		return false, err
	}
	for i := range s.Lab.Steps {
		if id := s.Lab.Steps[i].ID; !state.Passed(id) {
			return false, s.open(id, false)
		}
	}
	for i := range s.Lab.Steps {
		step := &s.Lab.Steps[i]
		if step.Hold == format.UntilEnd && !allHold(s.plain(ctx, s.scope(state, step), step)) {
			if err := s.open(step.ID, true); err != nil {
				return false, err
			}
			return false, ErrReopened
		}
	}
	err = s.Store.Update(func(all *progress.State) error {
		l := all.Labs[s.Lab.Key()]
		if l == nil {
			return ErrNotStarted
		}
		if l.Phase != progress.Done {
			l.Phase = progress.Done
			l.History = append(l.History, attempt(s.Lab, l, true))
		}
		if all.Current == s.Lab.Key() {
			all.Current = ""
		}
		return nil
	})
	return err == nil, errors.Join(err, s.setNamespace(""))
}

// open makes a step the open one; again takes its pass back.
func (s *Session) open(id string, again bool) error {
	return s.update(func(l *progress.Lab) error {
		l.Step = id
		st := l.StepState(id)
		if again {
			st.Unpass()
			st.Acted, st.Rest, st.Before, st.Read = time.Time{}, 0, nil, nil
		}
		if st.Opened.IsZero() || again {
			st.Opened = now()
		}
		return nil
	})
}

// Leave closes the lab: the progress stays, the learner's kubectl goes back
// to the default namespace.
func (s *Session) Leave() error {
	err := s.Store.Update(func(all *progress.State) error {
		if all.Current == s.Lab.Key() {
			all.Current = ""
		}
		return nil
	})
	return errors.Join(err, s.setNamespace(""))
}
