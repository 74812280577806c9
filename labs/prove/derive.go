package prove

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"noriter.dev/noriter/labs/format"
)

// Derived are the ways that nobody wrote: shortcuts which a step's checks and its solution
// suggest by themselves. They must fail, or, as typing the solution twice, must pass. What
// is right after all is named by the lab, under `allowed`, with the reason.
const Derived = "derived"

// shortcut is a kind of derived way: scripts to be typed in the place of a solution. Its
// name is one of format.Shortcuts, for the lab to name it.
type shortcut struct {
	kind string
	// passes says that the step must pass by it.
	passes  bool
	scripts func(*solved) []attempt
}

// solved is a step and its solution, as text and taken apart.
type solved struct {
	lab  *format.Lab
	at   int
	step *format.Step
	text string
	all  []statement
	// before is the step before it; nil for the first.
	before *solved
}

// attempt is one script of a kind; part tells it from others of its kind.
type attempt struct {
	part, script string
	// early means that script is typed while the step before is open, to be followed
	// by that one's own solution; see derivation.outOfOrder.
	early bool
}

// shortcuts are the kinds. Each is what learners did, or would.
var shortcuts = []shortcut{
	{kind: "without", scripts: leftOut},
	{kind: "elsewhere", scripts: inAnotherNamespace},
	{kind: "matched", scripts: podsMatched},
	{kind: "orphaned", scripts: afterwards(keepers, orphaned)},
	{kind: "scaled", scripts: afterwards(running, scaledToZero)},
	{kind: "gone", scripts: checkedObjectsGone},
	{kind: "twice", passes: true, scripts: typedTwice},
	{kind: "otherwise", passes: true, scripts: byAnotherVerb},
	{kind: "answered", scripts: answeredByBarePods},
	{kind: "printed", scripts: printedByABarePod},
	{kind: "named", scripts: byAnotherName},
	{kind: "versioned", scripts: byAnotherVersion},
	{kind: "machine", scripts: onAnotherMachine},
	{kind: "written", scripts: writtenByHand},
	{kind: "pulled", scripts: pulledByHand},
	{kind: "tagged", scripts: taggedByHand},
	{kind: "early", scripts: beforeItsTime},
}

// derivedWays are all of them, of all steps. An `allowed` that names none of them is an
// error: nobody would see that what it allows has long been something else.
func derivedWays(lab *format.Lab) ([]way, error) {
	all, err := solutions(lab)
	if err != nil {
		return nil, err
	}
	var out []way
	known := map[string]bool{}
	for i := range all {
		for _, kind := range shortcuts {
			for _, a := range kind.scripts(&all[i]) {
				d := derived(&all[i], kind, a)
				known[d.name] = true
				must := MustFail
				switch {
				case d.allowed != nil:
					must = Allowed
				case d.passes:
					must = MustPass
				}
				if d.early {
					known[d.ahead()] = true
				}
				out = append(out, way{name: Derived + "/" + d.name, kind: kind.kind, must: must, reaches: i, walk: d.walk})
			}
		}
	}
	for i := range lab.Allowed {
		for _, w := range lab.Allowed[i].All() {
			if !known[w] {
				return nil, fmt.Errorf("lab %s allows %s, which is no way that is derived from it", lab.ID, w)
			}
		}
	}
	return out, nil
}

// solutions are the steps of a lab with their solutions.
func solutions(lab *format.Lab) ([]solved, error) {
	all := make([]solved, len(lab.Steps))
	for i := range lab.Steps {
		data, err := fs.ReadFile(lab.FS, lab.Solution(i))
		if err != nil {
			return nil, fmt.Errorf("reading the solution of step %s: %w", lab.Steps[i].ID, err)
		}
		taken, err := statements(lab.Solution(i), string(data))
		if err != nil {
			return nil, err
		}
		all[i] = solved{lab: lab, at: i, step: &lab.Steps[i], text: string(data), all: taken}
		if i > 0 {
			all[i].before = &all[i-1]
		}
	}
	return all, nil
}

// derivation is one derived way.
type derivation struct {
	attempt
	solved  *solved
	name    string
	passes  bool
	allowed *format.Allowed
}

func derived(s *solved, kind shortcut, a attempt) *derivation {
	name := s.step.ID + "/" + strings.Join(slices.DeleteFunc([]string{kind.kind, a.part}, func(s string) bool { return s == "" }), "-")
	return &derivation{attempt: a, solved: s, name: name, passes: kind.passes, allowed: s.lab.IsAllowed(name)}
}

func (d *derivation) walk(ctx context.Context, w *walk) (detail string, err error) {
	if d.passes && d.allowed != nil {
		return "not tried: " + d.allowed.Why.EN, nil
	}
	defer func() { err = errors.Join(err, w.removeElsewhere(ctx)) }()
	if d.early {
		if detail, err := d.outOfOrder(ctx, w); detail != "" || err != nil {
			return detail, err
		}
	} else {
		if err := w.build(ctx, d.solved.at); err != nil {
			return "", err
		}
		if err := w.typeIn(ctx, d.script); err != nil {
			return "", brokenf("it can't be typed: %v", err)
		}
	}
	passed, last, err := w.settled(ctx, d.solved.at)
	if err != nil {
		return "", err
	}
	return d.verdict(passed, describe(last), failing(last))
}

// verdict holds what came against what must come.
func (d *derivation) verdict(passed bool, found string, failing []string) (detail string, err error) {
	switch {
	case d.passes && !passed:
		return "", brokenf("it means the same as the solution, and doesn't pass: %s", found)
	case d.passes:
		return "passes", nil
	case passed && d.allowed == nil:
		return "", brokenf("passes the step: %s", strings.TrimSpace(d.script))
	case passed:
		return "right after all: " + d.allowed.Why.EN, nil
	case d.allowed != nil:
		return "", brokenf("the lab says that this is right after all, and it fails: %s", found)
	}
	return "fails at " + strings.Join(failing, ", "), nil
}
