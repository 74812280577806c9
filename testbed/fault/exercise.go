package fault

import (
	"context"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

// ErrNoExercise is a testbed into which nothing was put.
var ErrNoExercise = lang.Errorf("no fault is in", "주입한 장애가 없습니다")

// Points are those of an exercise of level 1; the others have as many for each level.
// Hints cost parts of a hundred of it, later ones more; who gives up has none. Time costs
// nothing: machines are not equally fast, and who reads before typing should not lose.
const pointsOfLevel = 100

// hintCosts are in parts of a hundred.
var hintCosts = [...]int{10, 20, 30}

// Worth is how many points an exercise gives if it is mended now, and at most.
func Worth(e *testbed.Exercise) (points, most int) {
	most = pointsOfLevel * e.Level
	if e.Revealed {
		return 0, most
	}
	points = most
	for _, cost := range hintCosts[:min(e.Hints, len(hintCosts))] {
		points -= most * cost / 100
	}
	return points, most
}

// Hints are what has been said so far of an exercise.
type Hints struct {
	// Number is that of the last one, of Of.
	Number int `json:"number"`
	Of     int `json:"of"`
	// Texts are the hints of that number, one for each fault.
	Texts []string `json:"texts"`
	// Cost is what it cost just now, Points what is left.
	Cost   int `json:"cost"`
	Points int `json:"points"`
}

// Hint takes the next hint of the open exercise; after the last it is said again, at no cost.
func Hint(ctx context.Context, t *testbed.Testbed, o Options) (Hints, error) {
	release, err := t.LockFaults(ctx, o.Waiting)
	if err != nil {
		return Hints{}, err
	}
	defer release()
	e, faults, err := opened(t)
	if err != nil {
		return Hints{}, err
	}
	before, _ := Worth(e)
	if e.Hints < len(hintCosts) {
		e.Hints++
		if err := t.NoteExercise(ctx, e); err != nil {
			return Hints{}, err
		}
	}
	h := Hints{Number: e.Hints, Of: len(hintCosts)}
	h.Points, _ = Worth(e)
	h.Cost = before - h.Points
	for _, f := range faults {
		h.Texts = append(h.Texts, f.Teaching().Hints[e.Hints-1].String())
	}
	return h, nil
}

// opened is the open exercise and its faults.
func opened(t *testbed.Testbed) (*testbed.Exercise, []*Fault, error) {
	e := t.Exercise()
	if !e.Open() {
		return nil, nil, lang.Errorf("%w; `%s` begins", "%w. `%s` 명령으로 시작하세요", ErrNoExercise, t.Command("fault inject --random"))
	}
	faults, err := faultsOf(e)
	return e, faults, err
}

func faultsOf(e *testbed.Exercise) ([]*Fault, error) {
	var faults []*Fault
	for _, name := range e.Faults {
		f, err := Find(name)
		if err != nil {
			return nil, err
		}
		faults = append(faults, f)
	}
	return faults, nil
}

// Told is all that there is to say of a fault.
type Told struct {
	Fault  string `json:"fault"`
	Target string `json:"target,omitempty"`
	Cause  string `json:"cause"`
	// Mend is how it is mended, Lesson what was to be learnt.
	Mend   string `json:"mend"`
	Lesson string `json:"lesson"`
}

func told(t *testbed.Testbed, f *Fault) Told {
	how := f.Teaching()
	out := Told{Fault: f.Name, Cause: f.What.String(), Mend: how.Mend.String(), Lesson: how.Lesson.String()}
	for _, r := range t.Faults() {
		if r.Name == f.Name {
			out.Target = TargetOf(r)
		}
	}
	return out
}

// Reveal gives the open exercise up: it tells what is in. It stays in, to be mended.
func Reveal(ctx context.Context, t *testbed.Testbed, o Options) ([]Told, error) {
	release, err := t.LockFaults(ctx, o.Waiting)
	if err != nil {
		return nil, err
	}
	defer release()
	e, faults, err := opened(t)
	if err != nil {
		return nil, err
	}
	e.Revealed = true
	if err := t.NoteExercise(ctx, e); err != nil {
		return nil, err
	}
	var out []Told
	for _, f := range faults {
		out = append(out, told(t, f))
	}
	return out, nil
}

// Taken is how long an exercise took, or has taken so far.
func Taken(e *testbed.Exercise) time.Duration {
	end := e.Mended
	if end.IsZero() {
		end = time.Now()
	}
	return end.Sub(e.Since).Round(time.Second)
}
