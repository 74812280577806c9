package fault

import (
	"context"
	"errors"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/step"
	"noriter.dev/noriter/testbed"
)

// Surprise breaks something without a word about what: the seed draws the faults of the
// level (0: a level, too) and their targets. The shop is always brought along, so that not
// even its being there gives anything away.
func Surprise(ctx context.Context, t *testbed.Testbed, level int, o Options) (*testbed.Exercise, error) {
	if err := checkLevel(level); err != nil {
		return nil, err
	}
	release, err := t.LockFaults(ctx, o.Waiting)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := vacant(t); err != nil {
		return nil, err
	}
	level, faults := draw(o.Seed, level)
	s := &surprise{world: newWorld(t), faults: faults, options: o,
		exercise: &testbed.Exercise{Surprise: true, Level: level, Seed: o.Seed, Since: time.Now().UTC().Truncate(time.Second)}}
	for _, f := range faults {
		s.exercise.Faults = append(s.exercise.Faults, f.Name)
	}
	defer s.close()
	if err := t.RunSteps(ctx, s.steps(), o.Report); err != nil {
		return nil, errors.Join(err, s.withdraw(ctx))
	}
	return s.exercise, nil
}

// surprise is one run of Surprise.
type surprise struct {
	*world
	faults   []*Fault
	options  Options
	exercise *testbed.Exercise
}

func (s *surprise) steps() []step.Step {
	return []step.Step{{
		ID: "steady", Title: lang.Text{EN: "The testbed is steady", KO: "테스트베드가 정상인지 확인"},
		Advice: lang.Textf("`%s` shows it, %s", "`%s` 명령으로 보고, %s", s.Command("status"), s.Repairs()),
		Run:    func(ctx context.Context, _ func(string)) error { return s.steadyWithin(ctx, patience) },
	}, {
		ID: "shop", Title: lang.Text{EN: "A shop that is open", KO: "연습용 가게 열기"}, Needs: []string{"steady"},
		Run: s.openShop,
	}, {
		ID: "break", Title: lang.Text{EN: "Something breaks", KO: "무언가를 망가뜨리기"}, Needs: []string{"shop"},
		Limit: 2 * (proofLimit + patience) * time.Duration(len(s.faults)),
		Run: func(ctx context.Context, _ func(string)) error {
			if err := s.NoteExercise(ctx, s.exercise); err != nil {
				return err
			}
			for _, f := range s.faults {
				if err := s.inject(silent{ctx}, f); err != nil {
					return err
				}
			}
			return nil
		},
	}}
}

// inject puts one of the faults in and proves it, with nobody listening.
func (s *surprise) inject(ctx context.Context, f *Fault) error {
	o := s.options
	o.Namespace, o.Node, o.practice = "", "", true
	i := &injection{world: s.world, fault: f, options: o}
	i.namespace = Shop
	nobody := func(string) {}
	if err := i.choose(ctx, nobody); err != nil {
		return err
	}
	if err := f.inject(ctx, i.world, i.record); err != nil {
		return err
	}
	return i.prove(ctx, nobody)
}

// withdraw takes out what there is of a surprise that failed.
func (s *surprise) withdraw(ctx context.Context) error {
	if s.Exercise() == nil {
		return nil // nothing was begun
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Patient(2*recoverLimit))
	defer cancel()
	return recoverAll(ctx, s.Testbed, s.Faults(), Options{})
}

// silent is a context whose waits are shown to nobody: what is waited for would tell.
type silent struct{ context.Context }

// Value hides all that goes along with the context.
func (silent) Value(any) any { return nil }
