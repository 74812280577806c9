package fault

import (
	"context"
	"errors"
	"slices"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

// Grade is how far an exercise is.
type Grade struct {
	Mended bool `json:"mended"`
	// Still is how many faults show, or are under way, of Of.
	Still int `json:"still"`
	Of    int `json:"of"`
	// Removed is how many targets somebody removed, which mends nothing.
	Removed int `json:"removed,omitempty"`
	// Wrong is what else is wrong, although no fault shows any more.
	Wrong   string  `json:"wrong,omitempty"`
	Seconds float64 `json:"seconds"`
	Level   int     `json:"level"`
	Seed    uint64  `json:"seed"`
	Hints   int     `json:"hints"`
	Points  int     `json:"points"`
	Most    int     `json:"most"`
	// Revealed says that somebody gave up.
	Revealed bool `json:"revealed,omitempty"`
	// Faults are told when all are mended, Seen when their names are no secret.
	Faults []Told   `json:"faults,omitempty"`
	Seen   []string `json:"seen,omitempty"`
}

// settling is how long Check waits for what is under way.
const settling = 20 * time.Second

// Check looks whether the exercise is mended: by what the faults do, not by how that was
// done. What is mended is cleared away, and the exercise closed. Where nothing is in, it
// returns ErrNoExercise, or what is wrong with the testbed.
func Check(ctx context.Context, t *testbed.Testbed, o Options) (Grade, error) {
	release, err := t.LockFaults(ctx, o.Waiting)
	if err != nil {
		return Grade{}, err
	}
	defer release()
	w := newWorld(t)
	defer w.close()
	e := t.Exercise()
	switch {
	case e == nil && len(t.Faults()) > 0: // it went in before there were exercises
		e = asExercise(t.Faults())
	case e == nil:
		if err := w.steadyWithin(ctx, patience); err != nil {
			return Grade{}, err
		}
		return Grade{}, ErrNoExercise
	}
	g := gradeOf(e)
	if e.Open() {
		if len(t.Faults()) < len(e.Faults) {
			return g, lang.Errorf("not all of it went in; `%s` ends it", "주입이 중간에 끊겼습니다. `%s` 명령으로 끝내세요", t.Command("fault recover"))
		}
		if err := w.judgeAll(ctx, e, &g); err != nil || !g.Mended {
			return g, err
		}
	}
	return g, w.finish(ctx, e, &g)
}

func asExercise(records []testbed.Fault) *testbed.Exercise {
	e := &testbed.Exercise{Level: MinLevel, Seed: records[0].Seed, Since: records[0].Since}
	for _, r := range records {
		e.Faults = append(e.Faults, r.Name)
	}
	return e
}

func gradeOf(e *testbed.Exercise) Grade {
	g := Grade{Mended: !e.Open(), Of: len(e.Faults), Level: e.Level, Seed: e.Seed, Hints: e.Hints, Revealed: e.Revealed, Seconds: Taken(e).Seconds()}
	g.Points, g.Most = Worth(e)
	return g
}

// judgeAll looks at each fault until none is between; mended is what is whole, if the
// testbed is steady.
func (w *world) judgeAll(ctx context.Context, e *testbed.Exercise, g *Grade) error {
	records := slices.DeleteFunc(w.Faults(), func(r testbed.Fault) bool { return !slices.Contains(e.Faults, r.Name) })
	var sights []Sight
	err := poll(silent{ctx}, w.Patient(settling), lang.Text{EN: "what is under way", KO: "진행 중인 작업"}, func(ctx context.Context) (bool, string, error) {
		var now []Sight
		for _, r := range records {
			s, err := w.lookAt(ctx, r)
			if err != nil {
				return false, err.Error(), nil // the time is over: what was seen last counts
			}
			now = append(now, s)
		}
		sights = now
		return !slices.ContainsFunc(sights, func(s Sight) bool { return s.State == Between }), "", nil
	})
	if err != nil && len(sights) < len(records) || ctx.Err() != nil {
		return errors.Join(err, ctx.Err()) // not even one look came to its end
	}
	for i, s := range sights {
		if s.State != Whole {
			g.Still++
		}
		if s.State == Missing {
			g.Removed++
		}
		if !e.Secret() {
			g.Seen = append(g.Seen, records[i].Name+": "+s.Seen.String())
		}
	}
	if g.Still > 0 {
		return nil
	}
	if err := w.steadyWithin(ctx, patience); err != nil {
		g.Wrong = err.Error()
		return nil
	}
	g.Mended = true
	return nil
}

// lookAt is a look at a record's target; one that can't be looked at is between.
func (w *world) lookAt(ctx context.Context, r testbed.Fault) (Sight, error) {
	f, err := Find(r.Name)
	if err != nil {
		return Sight{}, err
	}
	s, err := f.look(ctx, w, r)
	if err != nil {
		return seen(Between, err.Error(), err.Error()), ctx.Err()
	}
	return s, nil
}

// finish tells what was to be learnt, and clears away what the faults left. A learner's own
// mend stays.
func (w *world) finish(ctx context.Context, e *testbed.Exercise, g *Grade) error {
	faults, err := faultsOf(e)
	if err != nil {
		return err
	}
	for _, f := range faults {
		g.Faults = append(g.Faults, told(w.Testbed, f))
	}
	if !e.Open() {
		return nil
	}
	e.Mended = time.Now().UTC()
	if err := recoverAll(ctx, w.Testbed, w.Faults(), Options{}); err != nil {
		return err
	}
	return w.NoteExercise(ctx, e)
}
