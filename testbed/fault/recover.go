package fault

import (
	"context"
	"errors"
	"slices"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/step"
	"noriter.dev/noriter/testbed"
)

// Recover takes a fault out, or all of them without a name. One that is not
// written down, as it came back with an old snapshot, is mended wherever it
// could be.
func Recover(ctx context.Context, t *testbed.Testbed, name string, o Options) ([]testbed.Fault, error) {
	release, err := t.LockFaults(ctx, o.Waiting)
	if err != nil {
		return nil, err
	}
	defer release()
	// Without it no proof comes, and each target would be waited for to its limit.
	if err := t.Answering(ctx); err != nil {
		return nil, err
	}
	records := t.Faults()
	if name != "" {
		f, err := Find(name)
		if err != nil {
			return nil, err
		}
		records = slices.DeleteFunc(records, func(r testbed.Fault) bool { return r.Name != name })
		if len(records) == 0 {
			return nil, mendAnywhere(ctx, t, f, o)
		}
	}
	return records, recoverAll(ctx, t, records, o)
}

// recoverAll takes faults out, the last that went in first, and ends the exercise with
// the last of them.
func recoverAll(ctx context.Context, t *testbed.Testbed, records []testbed.Fault, o Options) error {
	for _, r := range slices.Backward(records) {
		if err := recoverOne(ctx, t, r, o); err != nil {
			return err
		}
	}
	e := t.Exercise()
	if len(t.Faults()) > 0 || e == nil {
		return nil
	}
	if e.Open() && e.Surprise { // it may have been broken off before anything went in
		w := newWorld(t)
		defer w.close()
		if err := w.closeShop(ctx); err != nil {
			return err
		}
	}
	return t.NoteExercise(ctx, nil)
}

func recoverOne(ctx context.Context, t *testbed.Testbed, r testbed.Fault, o Options) error {
	f, err := Find(r.Name)
	if err != nil {
		return err
	}
	w := newWorld(t)
	defer w.close()
	if r.Node != "" && !slices.Contains(t.Machines(), r.Node) {
		return t.ForgetFault(ctx, r.Name) // it went with its machine
	}
	return t.RunSteps(ctx, w.recovery(f, r, o), o.Report)
}

func (w *world) recovery(f *Fault, r testbed.Fault, o Options) []step.Step {
	return []step.Step{{
		ID: "back", Title: lang.Text{EN: "Put back", KO: "복구"}, Limit: recoverLimit,
		Run: func(ctx context.Context, note func(string)) error {
			note(r.Name + ", " + TargetOf(r))
			return f.recover(ctx, w, r)
		},
	}, {
		ID: "whole", Title: lang.Text{EN: "Proof that it is gone", KO: "복구 확인"}, Needs: []string{"back"}, Limit: 2 * recoverLimit,
		Run: func(ctx context.Context, note func(string)) error {
			return w.await(ctx, f, r, Whole, w.Patient(recoverLimit), note)
		},
	}, {
		ID: "steady", Title: lang.Text{EN: "The testbed is steady again", KO: "테스트베드가 다시 정상"}, Needs: []string{"whole"}, Limit: 2 * recoverLimit,
		Advice: w.Repairs(),
		Run: func(ctx context.Context, _ func(string)) error {
			if err := w.ForgetFault(ctx, r.Name); err != nil {
				return err
			}
			others := slices.ContainsFunc(w.Faults(), func(f testbed.Fault) bool { return f.Practice })
			if r.Practice && !others && !o.keepShop {
				if err := w.closeShop(ctx); err != nil {
					return err
				}
			}
			if len(w.Faults()) > 0 {
				return nil // the others are still in
			}
			return w.steadyWithin(ctx, recoverLimit)
		},
	}}
}

// steadyWithin waits until the testbed is steady; when the time is over, it says what is wrong.
func (w *world) steadyWithin(ctx context.Context, limit time.Duration) error {
	var last error
	err := poll(ctx, w.Patient(limit), lang.Text{EN: "the testbed to be steady", KO: "테스트베드가 정상이 되는 것"}, func(ctx context.Context) (bool, string, error) {
		if last = w.steady(ctx); last != nil {
			return false, last.Error(), nil
		}
		return true, "", nil
	})
	if err != nil && last != nil {
		return last
	}
	return err
}

// mendAnywhere undoes a fault that no record speaks of.
func mendAnywhere(ctx context.Context, t *testbed.Testbed, f *Fault, o Options) error {
	if f.workload {
		return nil // what it broke, and how it was before, only its record knew
	}
	w := newWorld(t)
	defer w.close()
	targets, err := f.targets(ctx, w)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range targets {
		s, err := f.look(ctx, w, r)
		if err == nil && s.State == Whole {
			continue
		}
		r.Name = f.Name
		errs = append(errs, t.RunSteps(ctx, w.recovery(f, r, o), o.Report))
	}
	return errors.Join(errs...)
}
