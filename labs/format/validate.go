package format

import (
	"errors"
	"regexp"
	"strings"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/expr"
)

// validator checks a decoded lab and compiles its expressions.
type validator struct {
	file     string
	lab      *Lab
	problems problem.List
	// remembered are the names that the current step's `remember` offers.
	remembered map[string]bool
}

var identifier = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func (v *validator) fail(at problem.Pos, format string, args ...any) {
	if at.File == "" {
		at.File = v.file
	}
	v.problems = append(v.problems, problem.At(at, format, args...))
}

func (v *validator) run() {
	l := v.lab
	v.id(problem.Pos{}, "id", l.ID)
	if l.Namespace == "" {
		l.Namespace = "lab-" + l.ID
	}
	v.id(problem.Pos{}, "namespace", l.Namespace)
	v.text("title", l.Title)
	v.text("summary", l.Summary)
	if l.Minutes < 1 {
		v.fail(problem.Pos{}, "minutes: say how long the lab takes, at least 1")
	}
	if l.Level < 1 || l.Level > 4 {
		v.fail(problem.Pos{}, "level: want 1 (first steps) to 4 (on call)")
	}
	for name, variable := range l.Vars {
		v.variable(name, variable)
	}
	for i := range l.Setup {
		v.setup(&l.Setup[i])
	}
	if len(l.Steps) == 0 {
		v.fail(problem.Pos{}, "steps: a lab has at least one step")
	}
	steps := map[string]bool{}
	for i := range l.Steps {
		s := &l.Steps[i]
		if steps[s.ID] {
			v.fail(s.At, "two steps have the id %q", s.ID)
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
	v.usedVariables()
}

func (v *validator) id(at problem.Pos, what, id string) {
	if !identifier.MatchString(id) || len(id) > 40 {
		v.fail(at, "%s: want small letters, digits and single dashes, at most 40, found %q", what, id)
	}
}

func (v *validator) text(what string, t lang.Text) {
	if t == (lang.Text{}) {
		v.fail(problem.Pos{}, "%s: is missing", what)
	}
}

func (v *validator) variable(name string, variable Var) {
	if !regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`).MatchString(name) {
		v.fail(variable.At, "vars: want a name like color, found %q", name)
	}
	switch {
	case len(variable.Pick) > 0 && variable.Max != 0, len(variable.Pick) == 0 && variable.Max == 0:
		v.fail(variable.At, "vars.%s: give either pick: [a, b, c] or min and max", name)
	case len(variable.Pick) == 0 && variable.Min >= variable.Max:
		v.fail(variable.At, "vars.%s: min must be below max", name)
	}
}

func (v *validator) setup(s *Setup) {
	count := 0
	if s.If != nil {
		v.compile(s.If, s.At, true)
	}
	if s.Manifest != "" {
		count++
		if !strings.HasPrefix(s.Manifest, "setup/") {
			v.fail(s.At, "manifest: want a file below setup/, found %q", s.Manifest)
		}
	}
	if s.Node != nil {
		count++
		if s.Node.On == nil || s.Node.Run == nil {
			v.fail(s.Node.At, "node: needs on (a machine, workers or all) and run")
		}
	}
	if s.Wait != nil {
		count++
		if s.Wait.ID == "" {
			s.Wait.ID = "ready"
		}
		v.check(s.Wait)
	}
	if count != 1 {
		v.fail(s.At, "setup: want exactly one of manifest, node, wait in each entry")
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
		v.fail(s.At, "hold: want %s or %s, found %q%s", Once, UntilEnd, s.Hold, strict.Suggest(s.Hold, []string{Once, UntilEnd}))
	}
	if s.Limit == 0 {
		s.Limit = defaultLimit
	}
	if len(s.Cost) == 0 {
		s.Cost = []int{(s.Points + 4) / 5, (s.Points + 2) / 3}
	}
	v.picture(s.Picture)
	v.remembered = map[string]bool{}
	for name, m := range s.Remember {
		v.remembered[name] = true
		v.source(m.At, "remember."+name, m.Object, m.List)
		v.compile(m.Expr, m.At, false, sourceVariables(m.Object, m.List)...)
	}
	for i := range s.When {
		w := &s.When[i]
		v.source(w.At, "when", w.Object, w.List)
		v.compile(w.Expr, w.At, true, sourceVariables(w.Object, w.List)...)
		v.id(w.At, "hint", w.Hint)
	}
	if len(s.Checks) == 0 {
		v.fail(s.At, "step %q has no checks: nothing could ever pass it", s.ID)
	}
	ids := map[string]bool{}
	for i := range s.Checks {
		c := &s.Checks[i]
		v.id(c.At, "check id", c.ID)
		if ids[c.ID] {
			v.fail(c.At, "two checks of step %q have the id %q", s.ID, c.ID)
		}
		ids[c.ID] = true
		v.check(c)
	}
}

func (v *validator) source(at problem.Pos, what string, o *Object, l *List) {
	if o != nil && l != nil {
		v.fail(at, "%s: give object or list, not both", what)
	}
	if o != nil {
		v.object(o)
	}
	if l != nil && l.Kind == "" {
		v.fail(l.At, "list: kind is missing")
	}
}

func sourceVariables(o *Object, l *List) []string {
	switch {
	case o != nil:
		return []string{"object"}
	case l != nil:
		return []string{"items"}
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
		v.fail(w.At, "%s: there is no step %q%s", w.Script, w.Step, strict.Suggest(w.Step, ids))
		return
	}
	switch {
	case wrong && w.Trips == "":
		v.fail(w.At, "%s: name the check that it must trip (trips)", w.Script)
	case wrong && s.Check(w.Trips) == nil:
		var ids []string
		for _, c := range s.Checks {
			ids = append(ids, c.ID)
		}
		v.fail(w.At, "%s: step %q has no check %q%s", w.Script, w.Step, w.Trips, strict.Suggest(w.Trips, ids))
	case !wrong && w.Trips != "":
		v.fail(w.At, "%s: another right way trips nothing", w.Script)
	}
	if folder := map[bool]string{true: "wrong/", false: "other/"}[wrong]; !strings.HasPrefix(w.Script, folder) {
		v.fail(w.At, "script: want a file below %s, found %q", folder, w.Script)
	}
}

// compile makes the program of an expression whose place offers the extra
// variables. Mistakes are reported where they are in the file.
func (v *validator) compile(e *Expr, at problem.Pos, condition bool, extra ...string) {
	if e == nil {
		v.fail(at, "expr is missing")
		return
	}
	compile := expr.Compile
	if condition {
		compile = expr.CompileBool
	}
	program, err := compile(e.source, extra...)
	if err == nil {
		e.Program = program
		return
	}
	place := e.At
	var mistake *expr.Error
	if errors.As(err, &mistake) {
		switch {
		case e.block: // the text of a block starts on the next line
			place.Line, place.Column = place.Line+mistake.Line, 0
		case mistake.Line == 1:
			place.Column += mistake.Column - 1
		}
	}
	v.fail(place, "in the expression: %v", err)
}
