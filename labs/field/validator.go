package field

import (
	"errors"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/expr"
)

// Validator collects what is wrong with the fields of a file, and compiles
// those that have expressions in them.
type Validator struct {
	File     string
	Problems problem.List
}

// Fail notes a mistake.
func (v *Validator) Fail(at problem.Pos, format string, args ...any) {
	if at.File == "" {
		at.File = v.File
	}
	v.Problems = append(v.Problems, problem.At(at, format, args...))
}

// Need notes a field that must be there and isn't.
func (v *Validator) Need(at problem.Pos, what, field string, there bool) {
	if !there {
		v.Fail(at, "%s: %s is missing", what, field)
	}
}

// Condition compiles an expression that must be true or false, whose place
// offers the extra variables beside the common ones. One that isn't there is a
// mistake at at.
func (v *Validator) Condition(e *Expr, at problem.Pos, extra ...string) {
	v.compile(e, at, expr.CompileBool, extra)
}

// Value is Condition for an expression that may give anything.
func (v *Validator) Value(e *Expr, at problem.Pos, extra ...string) {
	v.compile(e, at, expr.Compile, extra)
}

// compile reports a mistake where it is in the file.
func (v *Validator) compile(e *Expr, at problem.Pos, compile func(string, ...string) (*expr.Program, error), extra []string) {
	if e == nil {
		v.Fail(at, "expr is missing")
		return
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
	v.Fail(place, "in the expression: %v", err)
}

// Words compiles a text in both languages; no text is no mistake.
func (v *Validator) Words(w *Words, extra ...string) {
	if w == nil {
		return
	}
	var err error
	if w.EN, err = expr.CompileTemplate(w.Text.EN, extra...); err != nil {
		v.Fail(w.At, "en: %v", err)
	}
	if w.KO, err = expr.CompileTemplate(w.Text.KO, extra...); err != nil {
		v.Fail(w.At, "ko: %v", err)
	}
}

// Number holds a number, which may not be there, to its range as far as it is
// known, and compiles it.
func (v *Validator) Number(m *Number, what string, least, most int) {
	switch {
	case m == nil || m.template != nil:
	case m.expr != nil:
		v.Value(m.expr, m.At)
	case m.fixed < least || m.fixed > most:
		v.Fail(m.At, "%s: want %d to %d, found %d", what, least, most, m.fixed)
	}
}
