package quiz

import (
	"regexp"
	"slices"
	"sort"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
	"noriter.dev/noriter/labs/format"
)

// Parse reads quiz.yaml alone, with its expressions compiled. The quiz is nil
// if the file could not even be read.
func Parse(file string, data []byte) (*Quiz, problem.List) {
	z := &Quiz{}
	if problems := strict.Decode(file, data, z); len(problems) > 0 {
		return nil, problems
	}
	v := &validator{Validator: field.Validator{File: file}, quiz: z}
	v.run()
	return z, v.Problems
}

type validator struct {
	field.Validator
	quiz *Quiz
}

var (
	identifier = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	objectName = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)
)

func (v *validator) run() {
	z := v.quiz
	v.id(problem.Pos{Line: 1}, "topic", z.Topic)
	if z.Title.EN == "" {
		v.Fail(problem.Pos{Line: 1}, "title: is missing")
	}
	v.Problems = append(v.Problems, format.CheckVars(v.File, z.Vars)...)
	for name, o := range z.Objects {
		if !objectName.MatchString(name) || slices.Contains(expr.Common, name) || name == "item" {
			v.Fail(o.At, "objects: %q is taken, or no name like nodes", name)
		}
		if o.Kind == "" {
			v.Fail(o.At, "objects.%s: kind is missing", name)
		}
	}
	if len(v.Problems) > 0 {
		return // expressions can't be compiled without their variables
	}
	for i := range z.Ready {
		r := &z.Ready[i]
		if r.What.EN == "" {
			v.Fail(r.At, "ready: what is missing")
		}
		v.condition(r.Expr, r.At)
	}
	if len(z.Questions) == 0 {
		v.Fail(problem.Pos{Line: 1}, "questions: a quiz has at least one")
	}
	ids := map[string]bool{}
	for i := range z.Questions {
		q := &z.Questions[i]
		if ids[q.ID] {
			v.Fail(q.At, "two questions have the id %q", q.ID)
		}
		ids[q.ID] = true
		v.question(q)
	}
}

func (v *validator) id(at problem.Pos, what, id string) {
	if !identifier.MatchString(id) || len(id) > 40 {
		v.Fail(at, "%s: want small letters, digits and single dashes, at most 40, found %q", what, id)
	}
}

// variables are what expressions see beside the common ones.
func (z *Quiz) variables(extra ...string) []string {
	var names []string
	for name := range z.Objects {
		names = append(names, name)
	}
	sort.Strings(names)
	return append(names, extra...)
}

func (v *validator) condition(e *field.Expr, at problem.Pos) {
	v.Condition(e, at, v.quiz.variables()...)
	v.vars(at, e.Source())
}

func (v *validator) words(w *field.Words, extra ...string) {
	if w == nil {
		return
	}
	v.Words(w, v.quiz.variables(extra...)...)
	v.vars(w.At, w.Text.EN)
	v.vars(w.At, w.Text.KO)
}

// template compiles a text that is the same in both languages.
func (v *validator) template(at problem.Pos, what, source string) {
	if _, err := expr.CompileTemplate(source, v.quiz.variables()...); err != nil {
		v.Fail(at, "%s: %v", what, err)
	}
	v.vars(at, source)
}

// vars holds every use of vars.X against what is declared.
func (v *validator) vars(at problem.Pos, source string) {
	for _, name := range field.UsedVars(source) {
		if _, ok := v.quiz.Vars[name]; !ok {
			var declared []string
			for n := range v.quiz.Vars {
				declared = append(declared, n)
			}
			sort.Strings(declared)
			v.Fail(at, "vars.%s is not declared%s", name, strict.Suggest(name, declared))
		}
	}
}

func (v *validator) question(q *Question) {
	v.id(q.At, "question id", q.ID)
	if !slices.Contains(kinds, q.Kind) {
		v.Fail(q.At, "kind: %q is no kind of question%s", q.Kind, strict.Suggest(q.Kind, kinds))
	}
	if q.Ask == nil {
		v.Fail(q.At, "question %q: ask is missing", q.ID)
	}
	if q.Explain == nil {
		v.Fail(q.At, "question %q: explain is missing: say why the right answer is right", q.ID)
	}
	v.words(q.Ask)
	v.words(q.Explain)
	v.template(q.At, "see", q.See)
	v.template(q.At, "proof", q.Proof)
	if q.If != nil {
		v.condition(q.If, q.At)
	}
	v.values(q)
	if q.Computed() && (q.See == "" || q.Proof == "") {
		v.Fail(q.At, "question %q: a computed answer needs see (the command that shows it) and proof (one that prints just it)", q.ID)
	}
}

// values checks the answers that a question knows.
func (v *validator) values(q *Question) {
	switch {
	case len(q.Right) == 0:
		v.Fail(q.At, "question %q: right is missing", q.ID)
	case q.Kind == Choice && len(q.Right) != 1:
		v.Fail(q.At, "question %q: a choice has one right answer, found %d; is it a multi?", q.ID, len(q.Right))
	}
	if len(q.Wrong) == 0 {
		v.Fail(q.At, "question %q: wrong is missing: which mistakes are likely, and why are they wrong?", q.ID)
	}
	seen := map[string]bool{}
	for i, val := range append(append([]Value(nil), q.Right...), q.Wrong...) {
		if (val.Text == nil) == (val.Expr == nil) {
			v.Fail(val.At, "question %q: want either text or expr in each answer", q.ID)
			continue
		}
		wrong := i >= len(q.Right)
		switch {
		case wrong && val.Why == nil:
			v.Fail(val.At, "question %q: why is missing: every wrong answer is explained", q.ID)
		case !wrong && val.Why != nil:
			v.Fail(val.At, "question %q: why belongs to wrong answers; explain says why the right one is right", q.ID)
		}
		v.words(val.Why, "item")
		if val.Expr != nil {
			v.Value(val.Expr, val.At, v.quiz.variables()...)
			v.vars(val.At, val.Expr.Source())
			continue
		}
		v.words(val.Text)
		for _, text := range []string{"en " + val.Text.Text.EN, "ko " + val.Text.Text.KO} {
			if seen[text] {
				v.Fail(val.At, "question %q: the answer %q is there twice", q.ID, text[3:])
			}
			seen[text] = true
		}
	}
}

// checkWorld compiles the template of the world.
func (z *Quiz) checkWorld(file string) problem.List {
	v := &validator{Validator: field.Validator{File: file}, quiz: z}
	if _, err := expr.CompileTemplate(z.world, z.variables()...); err != nil {
		at := problem.Pos{}
		if mistake, ok := err.(*expr.Error); ok {
			at.Line, at.Column = mistake.Line, mistake.Column
		}
		v.Fail(at, "%v", err)
	}
	v.vars(problem.Pos{File: file}, z.world)
	return v.Problems
}
