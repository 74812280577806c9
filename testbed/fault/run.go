package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/step"
	"noriter.dev/noriter/testbed"
)

// How long a fault may take to show, and the testbed to be as before; see
// testbed.Testbed.Patient.
const (
	proofLimit   = 60 * time.Second
	recoverLimit = 2 * time.Minute
)

// Options say what to break, and who is told.
type Options struct {
	// Seed chooses the target; the same seed chooses the same.
	Seed uint64
	// Node, or Namespace, narrows the choice; empty leaves it to the seed.
	Node, Namespace string
	Report          step.Reporter
	Waiting         func(holder string)
	// keepShop leaves what was brought along for the next fault.
	keepShop bool
	// practice says that the shop was brought along whatever the fault breaks.
	practice bool
}

// Inject puts a fault in: it looks that the testbed is steady, chooses a target,
// writes it down, breaks it, and waits for the proof.
func Inject(ctx context.Context, t *testbed.Testbed, f *Fault, o Options) (testbed.Fault, error) {
	release, err := t.LockFaults(ctx, o.Waiting)
	if err != nil {
		return testbed.Fault{}, err
	}
	defer release()
	r, err := inject(ctx, t, f, o)
	if r.Name == "" { // it was refused, and nothing is broken
		return r, err
	}
	e := &testbed.Exercise{Level: f.Level, Seed: r.Seed, Faults: []string{f.Name}, Since: time.Now().UTC()}
	return r, errors.Join(err, t.NoteExercise(context.WithoutCancel(ctx), e))
}

// vacant returns an error if something is in already.
func vacant(t *testbed.Testbed) error {
	have := t.Faults()
	switch {
	case t.Exercise().Secret():
		return lang.Errorf("%w: a surprise is in already; `%s` helps to find it, `%s` ends it",
			"%w: 아직 찾지 못한 장애가 있습니다. `%s` 명령으로 힌트를 보거나 `%s` 명령으로 끝내세요", errNotSteady, t.Command("fault hint"), t.Command("fault recover"))
	case len(have) > 0:
		return lang.Errorf("%w: the fault %s is in already; `%s` takes it out",
			"%w: 장애 %s이(가) 이미 주입되어 있습니다. `%s` 명령으로 복구하세요", errNotSteady, have[0].Name, t.Command("fault recover"))
	}
	return nil
}

func inject(ctx context.Context, t *testbed.Testbed, f *Fault, o Options) (testbed.Fault, error) {
	if err := vacant(t); err != nil {
		return testbed.Fault{}, err
	}
	if o.Namespace != "" && !f.workload {
		return testbed.Fault{}, &testbed.UsageError{Err: lang.Errorf("%s breaks the testbed, not a namespace; leave --namespace out",
			"%s은(는) 네임스페이스가 아니라 테스트베드를 망가뜨립니다. --namespace를 빼세요", f.Name)}
	}
	i := &injection{world: newWorld(t), fault: f, options: o}
	i.namespace = o.Namespace
	defer i.close()
	err := t.RunSteps(ctx, i.steps(), o.Report)
	return i.record, err
}

// injection is one run of Inject.
type injection struct {
	*world
	fault   *Fault
	options Options
	record  testbed.Fault
}

func (i *injection) steps() []step.Step {
	steps := []step.Step{{
		ID: "steady", Title: lang.Text{EN: "The testbed is steady", KO: "테스트베드가 정상인지 확인"},
		Advice: lang.Textf("`%s` shows it, %s", "`%s` 명령으로 보고, %s", i.Command("status"), i.Repairs()),
		Run:    func(ctx context.Context, note func(string)) error { return i.steadyWithin(ctx, patience) },
	}}
	last := "steady"
	if i.fault.workload && i.options.Namespace == "" {
		i.namespace = Shop
		steps = append(steps, step.Step{
			ID: "shop", Title: lang.Text{EN: "Something to break", KO: "망가뜨릴 대상 준비"}, Needs: []string{last},
			Run: func(ctx context.Context, note func(string)) error { return i.openShop(ctx, note) },
		})
		last = "shop"
	}
	return append(steps, step.Step{
		ID: "choose", Title: lang.Text{EN: "Target", KO: "대상 고르기"}, Needs: []string{last},
		Run: i.choose,
	}, step.Step{
		ID: "inject", Title: lang.Text{EN: "Broken", KO: "망가뜨리기"}, Needs: []string{"choose"},
		Run: func(ctx context.Context, note func(string)) error {
			note(i.fault.What.String())
			return i.fault.inject(ctx, i.world, i.record)
		},
	}, step.Step{
		ID: "proof", Title: lang.Text{EN: "Proof that it took effect", KO: "효과 확인"}, Needs: []string{"inject"},
		Advice: lang.Textf("`%s` takes out what there is of it", "`%s` 명령으로 복구할 수 있습니다", i.Command("fault recover")),
		Run: func(ctx context.Context, note func(string)) error {
			return i.prove(ctx, note)
		},
	})
}

// prove waits until the effect is seen, and writes that down.
func (i *injection) prove(ctx context.Context, note func(string)) error {
	if err := i.await(ctx, i.fault, i.record, Broken, i.Patient(proofLimit), note); err != nil {
		return err
	}
	i.record.Proven = true
	return i.NoteFault(ctx, i.record)
}

// choose has the seed choose, looks that the choice is whole, and writes it down.
func (i *injection) choose(ctx context.Context, note func(string)) error {
	targets, err := i.fault.targets(ctx, i.world)
	if err != nil {
		return err
	}
	record, err := choose(i.fault, targets, i.options)
	if err != nil {
		return err
	}
	record.Practice = i.options.practice || i.fault.workload && i.options.Namespace == ""
	note(TargetOf(record))
	if err := i.await(ctx, i.fault, record, Whole, i.Patient(patience), func(string) {}); err != nil {
		return fmt.Errorf("%w: %s: %w", errNotSteady, TargetOf(record), err)
	}
	if i.fault.plan != nil {
		chance := chanceOf(record.Seed, i.fault.Name+" plan")
		if err := i.fault.plan(ctx, i.world, &record, chance); err != nil {
			return err
		}
	}
	i.record = record
	return i.NoteFault(ctx, record)
}

// patience is how long a target that should be whole may look otherwise.
const patience = 10 * time.Second

func choose(f *Fault, targets []testbed.Fault, o Options) (testbed.Fault, error) {
	if o.Node != "" {
		if i := slices.IndexFunc(targets, func(t testbed.Fault) bool { return t.Node == o.Node }); i >= 0 {
			targets = targets[i : i+1]
		} else {
			return testbed.Fault{}, &testbed.UsageError{Err: lang.Errorf("%s can't be put into node %q", "%s은(는) 노드 %q에 주입할 수 없습니다", f.Name, o.Node)}
		}
	}
	if len(targets) == 0 {
		return testbed.Fault{}, lang.Errorf("there is nothing whole that %s could break; a namespace can be named with --namespace",
			"%s(으)로 망가뜨릴 만한 정상인 것이 없습니다. --namespace로 네임스페이스를 지정할 수 있습니다", f.Name)
	}
	r := targets[chanceOf(o.Seed, f.Name).IntN(len(targets))]
	r.Name, r.Seed, r.Since = f.Name, o.Seed, time.Now().UTC().Truncate(time.Millisecond)
	return r, nil
}

// await looks until the target is in a state, and notes by which signs.
func (w *world) await(ctx context.Context, f *Fault, r testbed.Fault, want State, limit time.Duration, note func(string)) error {
	var last lang.Text
	err := poll(ctx, limit, lang.Textf("the target %s to be %s", "대상 %s의 %s 상태", TargetOf(r), want.text()), func(ctx context.Context) (bool, string, error) {
		s, err := f.look(ctx, w, r)
		if err != nil {
			// A machine or the API that is away now may be back in a moment.
			return false, err.Error(), nil
		}
		last = s.Seen
		// What is no longer there can't be put back, and is in nobody's way.
		return s.State == want || want == Whole && s.State == Missing, s.Seen.String(), nil
	})
	if err == nil {
		note(last.String())
	}
	return err
}

// Look tells for every fault that is in whether it still shows: a learner may
// have mended it.
func Look(ctx context.Context, t *testbed.Testbed) map[string]Sight {
	w := newWorld(t)
	defer w.close()
	out := map[string]Sight{}
	for _, r := range t.Faults() {
		f, err := Find(r.Name)
		if err != nil {
			continue
		}
		s, err := f.look(ctx, w, r)
		if err != nil {
			s = seen(Between, err.Error(), err.Error())
		}
		out[r.Name] = s
	}
	return out
}
