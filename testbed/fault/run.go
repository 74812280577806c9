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
}

// Inject puts a fault in: it looks that the testbed is steady, chooses a target,
// writes it down, breaks it, and waits for the proof.
func Inject(ctx context.Context, t *testbed.Testbed, f *Fault, o Options) (testbed.Fault, error) {
	release, err := t.LockFaults(ctx, o.Waiting)
	if err != nil {
		return testbed.Fault{}, err
	}
	defer release()
	return inject(ctx, t, f, o)
}

func inject(ctx context.Context, t *testbed.Testbed, f *Fault, o Options) (testbed.Fault, error) {
	if have := t.Faults(); len(have) > 0 {
		return testbed.Fault{}, lang.Errorf("%w: the fault %s is in already; `%s` takes it out",
			"%w: 장애 %s이(가) 이미 주입되어 있습니다. `%s` 명령으로 복구하세요", errNotSteady, have[0].Name, t.Command("fault recover"))
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
		Run:    func(ctx context.Context, note func(string)) error { return i.steady(ctx) },
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
			if err := i.await(ctx, i.fault, i.record, Broken, i.Patient(proofLimit), note); err != nil {
				return err
			}
			i.record.Proven = true
			return i.NoteFault(ctx, i.record)
		},
	})
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
	record.Practice = i.fault.workload && i.options.Namespace == ""
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
		return s.State == want, s.Seen.String(), nil
	})
	if err == nil {
		note(last.String())
	}
	return err
}

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
	for _, r := range records {
		if err := recoverOne(ctx, t, r, o); err != nil {
			return records, err
		}
	}
	return records, nil
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
			if r.Practice && !o.keepShop {
				if err := w.closeShop(ctx); err != nil {
					return err
				}
			}
			if err := w.ForgetFault(ctx, r.Name); err != nil {
				return err
			}
			if len(w.Faults()) > 0 {
				return nil // the others are still in
			}
			return w.awaitSteady(ctx)
		},
	}}
}

func (w *world) awaitSteady(ctx context.Context) error {
	return poll(ctx, w.Patient(recoverLimit), lang.Text{EN: "the testbed to be steady", KO: "테스트베드가 정상이 되는 것"}, func(ctx context.Context) (bool, string, error) {
		err := w.steady(ctx)
		if err != nil {
			return false, err.Error(), nil
		}
		return true, "", nil
	})
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

// Verdict is how one fault came through Verify.
type Verdict struct {
	Fault  string `json:"fault"`
	Target string `json:"target"`
	OK     bool   `json:"ok"`
	Error  string `json:"error,omitempty"`
	// Inject and Recover are the seconds until the proof, and until steady again.
	Inject  float64 `json:"injectSeconds"`
	Recover float64 `json:"recoverSeconds"`
}

// Verify puts each fault in and takes it out again, and tells how it went. It
// ends at the first that can't be taken out: what follows would prove nothing.
func Verify(ctx context.Context, t *testbed.Testbed, faults []*Fault, o Options, tell func(Verdict)) error {
	release, err := t.LockFaults(ctx, o.Waiting)
	if err != nil {
		return err
	}
	defer release()
	o.keepShop = true
	shop := false
	for _, f := range faults {
		shop = shop || f.workload && o.Namespace == ""
		fo := o
		if !f.workload {
			fo.Namespace = ""
		}
		v, err := verify(ctx, t, f, fo)
		tell(v)
		if err != nil {
			return err
		}
	}
	if !shop {
		return nil
	}
	w := newWorld(t)
	defer w.close()
	return w.closeShop(ctx)
}

// verify returns an error if the testbed is not steady afterwards.
func verify(ctx context.Context, t *testbed.Testbed, f *Fault, o Options) (Verdict, error) {
	v := Verdict{Fault: f.Name}
	begin := time.Now()
	r, injectErr := inject(ctx, t, f, o)
	v.Inject, v.Target = time.Since(begin).Seconds(), TargetOf(r)
	if r.Name == "" { // it was refused, and nothing is broken
		v.Error, v.Target = injectErr.Error(), ""
		return v, injectErr
	}
	begin = time.Now()
	recoverErr := recoverOne(ctx, t, r, o)
	v.Recover = time.Since(begin).Seconds()
	if err := errors.Join(injectErr, recoverErr); err != nil {
		v.Error = err.Error()
	}
	v.OK = v.Error == ""
	return v, recoverErr
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
