package format

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/field"
	"noriter.dev/noriter/labs/world"
)

// validator checks a decoded lab and compiles its expressions.
type validator struct {
	field.Validator
	lab *Lab
}

var identifier = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func (v *validator) run() {
	l := v.lab
	v.id(problem.Pos{}, "id", l.ID)
	if l.Namespace == "" {
		l.Namespace = "lab-" + l.ID
	}
	v.id(problem.Pos{}, "namespace", l.Namespace)
	if world.Reserved(l.Namespace) {
		v.Fail(problem.Pos{}, "namespace: %s is the cluster's own; a lab has one of its own, which it makes and removes", l.Namespace)
	}
	v.text("title", l.Title)
	v.text("summary", l.Summary)
	if l.Minutes < 1 {
		v.Fail(problem.Pos{}, "minutes: say how long the lab takes, at least 1")
	}
	if l.Level < 1 || l.Level > 4 {
		v.Fail(problem.Pos{}, "level: want 1 (first steps) to 4 (on call)")
	}
	v.Problems = append(v.Problems, CheckVars(v.File, l.Vars)...)
	for i := range l.Setup {
		v.setup(&l.Setup[i])
	}
	if len(l.Steps) == 0 {
		v.Fail(problem.Pos{}, "steps: a lab has at least one step")
	}
	steps := map[string]bool{}
	for i := range l.Steps {
		s := &l.Steps[i]
		if steps[s.ID] {
			v.Fail(s.At, "two steps have the id %q", s.ID)
		}
		steps[s.ID] = true
		v.step(s)
	}
	for i := range l.Wrong {
		v.way(&l.Wrong[i], true)
	}
	for i := range l.Other {
		v.way(&l.Other[i], false)
	}
	for i := range l.Allowed {
		v.allowed(&l.Allowed[i])
	}
	v.usedVariables()
}

// allowed wants steps that are there, ways that the proof derives, and a reason.
func (v *validator) allowed(a *Allowed) {
	all := a.All()
	if len(all) == 0 {
		v.Fail(a.At, "allowed: want a way, as STEP/KIND, or several as ways")
	}
	for _, way := range all {
		step, rest, _ := strings.Cut(way, "/")
		kind, _, _ := strings.Cut(rest, "-")
		if v.lab.Step(step) == nil || rest == "" {
			v.Fail(a.At, "allowed: want STEP/KIND with a step of this lab, found %q", way)
		} else if !slices.Contains(Shortcuts, kind) {
			v.Fail(a.At, "allowed: %s: no such kind of way; there are %s", way, strings.Join(Shortcuts, ", "))
		}
	}
	if a.Why.EN == "" || a.Why.KO == "" {
		v.Fail(a.At, "allowed: %s: say why it is right, in both languages", strings.Join(all, ", "))
	}
}

func (v *validator) id(at problem.Pos, what, id string) {
	if !identifier.MatchString(id) || len(id) > 40 {
		v.Fail(at, "%s: want small letters, digits and single dashes, at most 40, found %q", what, id)
	}
}

func (v *validator) text(what string, t lang.Text) {
	if t == (lang.Text{}) {
		v.Fail(problem.Pos{}, "%s: is missing", what)
	}
}

func (v *validator) setup(s *Setup) {
	count := 0
	if s.If != nil {
		v.Condition(s.If, s.At)
	}
	if s.Manifest != "" {
		count++
		if !strings.HasPrefix(s.Manifest, "setup/") {
			v.Fail(s.At, "manifest: want a file below setup/, found %q", s.Manifest)
		}
	}
	if s.Node != nil {
		count++
		if s.Node.On == nil || s.Node.Run == nil {
			v.Fail(s.Node.At, "node: needs on (a machine, workers or all) and run")
		}
	}
	if s.Wait != nil {
		count++
		if s.Wait.ID == "" {
			s.Wait.ID = "ready"
		}
		s.Wait.Validate(&v.Validator)
	}
	if count != 1 {
		v.Fail(s.At, "setup: want exactly one of manifest, node, wait in each entry")
	}
}

// Defaults of a step.
const (
	defaultPoints = 10
	defaultLimit  = 60 * time.Second
)

func (v *validator) step(s *Step) {
	v.id(s.At, "step id", s.ID)
	if s.Points == 0 {
		s.Points = defaultPoints
	}
	if s.Hold == "" {
		s.Hold = Once
	}
	if s.Hold != Once && s.Hold != UntilEnd {
		v.Fail(s.At, "hold: want %s or %s, found %q%s", Once, UntilEnd, s.Hold, strict.Suggest(s.Hold, []string{Once, UntilEnd}))
	}
	if s.Limit == 0 {
		s.Limit = defaultLimit
	}
	if len(s.Cost) == 0 {
		s.Cost = []int{(s.Points + 4) / 5, (s.Points + 2) / 3}
	}
	v.picture(s.Picture)
	for name, m := range s.Remember {
		v.source(m.At, "remember."+name, m.Object, m.List)
		v.Value(m.Expr, m.At, sourceVariables(m.Object, m.List)...)
	}
	for i := range s.When {
		w := &s.When[i]
		v.source(w.At, "when", w.Object, w.List)
		v.Condition(w.Expr, w.At, sourceVariables(w.Object, w.List)...)
		v.id(w.At, "hint", w.Hint)
	}
	if len(s.Checks) == 0 {
		v.Fail(s.At, "step %q has no checks: nothing could ever pass it", s.ID)
	}
	ids := map[string]bool{}
	for i := range s.Checks {
		c := &s.Checks[i]
		v.id(c.At, "check id", c.ID)
		if ids[c.ID] {
			v.Fail(c.At, "two checks of step %q have the id %q", s.ID, c.ID)
		}
		c.Validate(&v.Validator)
		v.given(s, c, i)
		ids[c.ID] = true
	}
}

// given wants what a check builds on before it, among what is looked at with it.
func (v *validator) given(s *Step, c *check.Check, at int) {
	for _, id := range c.Given {
		before := slices.IndexFunc(s.Checks[:at], func(c check.Check) bool { return c.ID == id && c.Triggered() == nil })
		if before < 0 {
			v.Fail(c.At, "check %q: given names %q, which is no check before it that only looks", c.ID, id)
		}
	}
	if len(c.Given) > 0 && c.Triggered() != nil {
		v.Fail(c.At, "check %q: what acts waits for all other checks; given says nothing there", c.ID)
	}
}

func (v *validator) source(at problem.Pos, what string, o *check.Object, l *check.List) {
	if o != nil && l != nil {
		v.Fail(at, "%s: give object or list, not both", what)
	}
	if o != nil {
		o.Validate(&v.Validator)
	}
	if l != nil {
		l.Validate(&v.Validator)
	}
}

func sourceVariables(o *check.Object, l *check.List) []string {
	switch {
	case o != nil:
		return o.Variables()
	case l != nil:
		return l.Variables()
	}
	return nil
}

func (v *validator) way(w *Way, wrong bool) {
	s := v.lab.Step(w.Step)
	if s == nil {
		var ids []string
		for _, s := range v.lab.Steps {
			ids = append(ids, s.ID)
		}
		v.Fail(w.At, "%s: there is no step %q%s", w.Script, w.Step, strict.Suggest(w.Step, ids))
		return
	}
	switch {
	case wrong && w.Trips == "":
		v.Fail(w.At, "%s: name the check that it must trip (trips)", w.Script)
	case wrong && s.Check(w.Trips) == nil:
		var ids []string
		for _, c := range s.Checks {
			ids = append(ids, c.ID)
		}
		v.Fail(w.At, "%s: step %q has no check %q%s", w.Script, w.Step, w.Trips, strict.Suggest(w.Trips, ids))
	case !wrong && w.Trips != "":
		v.Fail(w.At, "%s: another right way trips nothing", w.Script)
	}
	if folder := map[bool]string{true: "wrong/", false: "other/"}[wrong]; !strings.HasPrefix(w.Script, folder) {
		v.Fail(w.At, "script: want a file below %s, found %q", folder, w.Script)
	}
}

// usedVariables holds every use of vars.X and seen.X against what is declared.
func (v *validator) usedVariables() {
	names := slices.Sorted(maps.Keys(v.lab.Vars))
	declared := func(at problem.Pos, source string) {
		for _, name := range field.UsedVars(source) {
			if _, ok := v.lab.Vars[name]; !ok {
				v.Fail(at, "vars.%s is not declared%s", name, strict.Suggest(name, names))
			}
		}
	}
	field.Sources(v.lab.Setup, func(at problem.Pos, source string) {
		declared(at, source)
		for _, name := range field.UsedSeen(source) {
			v.Fail(at, "seen.%s: only steps remember", name)
		}
	})
	for i := range v.lab.Steps {
		step := &v.lab.Steps[i]
		field.Sources(step, func(at problem.Pos, source string) {
			declared(at, source)
			for _, name := range field.UsedSeen(source) {
				if _, ok := step.Remember[name]; !ok {
					v.Fail(at, "seen.%s: the step %q doesn't remember it", name, step.ID)
				}
			}
		})
	}
}
