package quiz

import (
	"regexp"
	"slices"
	"sort"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/format"
)

// Parse reads quiz.yaml alone, with its expressions compiled. The quiz is nil
// if the file could not even be read.
func Parse(file string, data []byte) (*Quiz, problem.List) {
	z := &Quiz{}
	if problems := strict.Decode(file, data, z); len(problems) > 0 {
		return nil, problems
	}
	v := &validator{file: file, quiz: z}
	v.run()
	return z, v.problems
}

type validator struct {
	file     string
	quiz     *Quiz
	problems problem.List
}

var (
	identifier = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	objectName = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)
)

func (v *validator) fail(at problem.Pos, message string, args ...any) {
	if at.File == "" {
		at.File = v.file
	}
	v.problems = append(v.problems, problem.At(at, message, args...))
}

func (v *validator) add(problems problem.List) { v.problems = append(v.problems, problems...) }

func (v *validator) run() {
	z := v.quiz
	v.id(problem.Pos{Line: 1}, "topic", z.Topic)
	if z.Title.EN == "" {
		v.fail(problem.Pos{Line: 1}, "title: is missing")
	}
	v.add(format.CheckVars(v.file, z.Vars))
	for name, o := range z.Objects {
		if !objectName.MatchString(name) || slices.Contains(expr.Common, name) || name == "item" {
			v.fail(o.At, "objects: %q is taken, or no name like nodes", name)
		}
		if o.Kind == "" {
			v.fail(o.At, "objects.%s: kind is missing", name)
		}
	}
	if len(v.problems) > 0 {
		return // expressions can't be compiled without their variables
	}
	for i := range z.Ready {
		r := &z.Ready[i]
		if r.What.EN == "" {
			v.fail(r.At, "ready: what is missing")
		}
		v.compile(r.Expr, r.At, true)
	}
	if len(z.Questions) == 0 {
		v.fail(problem.Pos{Line: 1}, "questions: a quiz has at least one")
	}
	ids := map[string]bool{}
	for i := range z.Questions {
		q := &z.Questions[i]
		if ids[q.ID] {
			v.fail(q.At, "two questions have the id %q", q.ID)
		}
		ids[q.ID] = true
		v.question(q)
	}
}

func (v *validator) id(at problem.Pos, what, id string) {
	if !identifier.MatchString(id) || len(id) > 40 {
		v.fail(at, "%s: want small letters, digits and single dashes, at most 40, found %q", what, id)
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

func (v *validator) compile(e *format.Expr, at problem.Pos, condition bool) {
	if at.File == "" {
		at.File = v.file
	}
	v.add(e.Compile(at, condition, v.quiz.variables()...))
	v.vars(at, e.Source())
}

func (v *validator) words(w *format.Words, extra ...string) {
	if w == nil {
		return
	}
	v.add(w.Compile(v.quiz.variables(extra...)...))
	v.vars(w.At, w.Text.EN)
	v.vars(w.At, w.Text.KO)
}

// template compiles a text that is the same in both languages.
func (v *validator) template(at problem.Pos, what, source string) {
	if _, err := expr.CompileTemplate(source, v.quiz.variables()...); err != nil {
		v.fail(at, "%s: %v", what, err)
	}
	v.vars(at, source)
}

// vars holds every use of vars.X against what is declared: CEL can't, because
// a map takes any key.
func (v *validator) vars(at problem.Pos, source string) {
	for _, name := range format.UsedVars(source) {
		if _, ok := v.quiz.Vars[name]; !ok {
			var declared []string
			for n := range v.quiz.Vars {
				declared = append(declared, n)
			}
			sort.Strings(declared)
			v.fail(at, "vars.%s is not declared%s", name, strict.Suggest(name, declared))
		}
	}
}

func (v *validator) question(q *Question) {
	v.id(q.At, "question id", q.ID)
	if !slices.Contains(kinds, q.Kind) {
		v.fail(q.At, "kind: %q is no kind of question%s", q.Kind, strict.Suggest(q.Kind, kinds))
	}
	if q.Ask == nil {
		v.fail(q.At, "question %q: ask is missing", q.ID)
	}
	if q.Explain == nil {
		v.fail(q.At, "question %q: explain is missing: say why the right answer is right", q.ID)
	}
	v.words(q.Ask)
	v.words(q.Explain)
	v.template(q.At, "see", q.See)
	v.template(q.At, "proof", q.Proof)
	if q.If != nil {
		v.compile(q.If, q.At, true)
	}
	v.values(q)
	if q.Computed() && (q.See == "" || q.Proof == "") {
		v.fail(q.At, "question %q: a computed answer needs see (the command that shows it) and proof (one that prints just it)", q.ID)
	}
}

// values checks the answers that a question knows.
func (v *validator) values(q *Question) {
	switch {
	case len(q.Right) == 0:
		v.fail(q.At, "question %q: right is missing", q.ID)
	case q.Kind == Choice && len(q.Right) != 1:
		v.fail(q.At, "question %q: a choice has one right answer, found %d; is it a multi?", q.ID, len(q.Right))
	}
	if len(q.Wrong) == 0 {
		v.fail(q.At, "question %q: wrong is missing: which mistakes are likely, and why are they wrong?", q.ID)
	}
	seen := map[string]bool{}
	for i, val := range append(append([]Value(nil), q.Right...), q.Wrong...) {
		if (val.Text == nil) == (val.Expr == nil) {
			v.fail(val.At, "question %q: want either text or expr in each answer", q.ID)
			continue
		}
		wrong := i >= len(q.Right)
		switch {
		case wrong && val.Why == nil:
			v.fail(val.At, "question %q: why is missing: every wrong answer is explained", q.ID)
		case !wrong && val.Why != nil:
			v.fail(val.At, "question %q: why belongs to wrong answers; explain says why the right one is right", q.ID)
		}
		v.words(val.Why, "item")
		if val.Expr != nil {
			v.compile(val.Expr, val.At, false)
			continue
		}
		v.words(val.Text)
		for _, text := range []string{"en " + val.Text.Text.EN, "ko " + val.Text.Text.KO} {
			if seen[text] {
				v.fail(val.At, "question %q: the answer %q is there twice", q.ID, text[3:])
			}
			seen[text] = true
		}
	}
}

// checkWorld compiles the template of the world.
func (z *Quiz) checkWorld(file string) problem.List {
	v := &validator{file: file, quiz: z}
	if _, err := expr.CompileTemplate(z.world, z.variables()...); err != nil {
		at := problem.Pos{}
		if mistake, ok := err.(*expr.Error); ok {
			at.Line, at.Column = mistake.Line, mistake.Column
		}
		v.fail(at, "%v", err)
	}
	v.vars(problem.Pos{File: file}, z.world)
	return v.problems
}
