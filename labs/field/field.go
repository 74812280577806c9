// Package field holds the values that lab.yaml and quiz.yaml are written with,
// beside plain ones: expressions, and names, numbers and texts that may have
// expressions in them. They are read by package strict. Most are compiled
// later, by a Validator, when it is known which variables their place offers.
package field

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/expr"
)

// Expr is a condition or a value. It has a Program once it is compiled.
type Expr struct {
	*expr.Program
	At     problem.Pos
	source string
	block  bool // a block scalar: the text starts on the line after At
}

// Source is the expression as it was written, also before it is compiled.
func (e *Expr) Source() string {
	if e == nil {
		return ""
	}
	return e.source
}

// UnmarshalStrict keeps the source.
func (e *Expr) UnmarshalStrict(d *strict.Decoder, n *yaml.Node) {
	e.At = d.At(n)
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.Fail(n, "want an expression, found %s", strict.Describe(n))
		return
	}
	e.source, e.block = n.Value, n.Style == yaml.LiteralStyle || n.Style == yaml.FoldedStyle
}

// Name is a short text with {{expressions}} over the common variables and
// `files`, such as the name of an object.
type Name struct {
	*expr.Template
	At problem.Pos
}

// UnmarshalStrict reads and compiles the text.
func (m *Name) UnmarshalStrict(d *strict.Decoder, n *yaml.Node) {
	m.At = d.At(n)
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.Fail(n, "want text, found %s", strict.Describe(n))
		return
	}
	t, err := expr.CompileTemplate(n.Value, "files")
	if err != nil {
		d.Fail(n, "%v", err)
		return
	}
	m.Template = t
}

// Source is the text as it was written; empty for a name that isn't there.
func (m *Name) Source() string {
	if m == nil {
		return ""
	}
	return m.Template.Source()
}

// Fill renders the name; one that isn't there gives the fallback.
func (m *Name) Fill(ctx context.Context, s expr.Scope, fallback string) (string, error) {
	if m == nil {
		return fallback, nil
	}
	return m.Render(ctx, s)
}

// Number is a whole number: as it stands, as a text with {{expressions}}, or
// as an expression such as int(vars.port) or seen.port.
type Number struct {
	fixed    int
	template *expr.Template
	expr     *Expr
	At       problem.Pos
}

// UnmarshalStrict tells the three forms apart.
func (m *Number) UnmarshalStrict(d *strict.Decoder, n *yaml.Node) {
	m.At = d.At(n)
	switch {
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		d.Fail(n, "want a whole number or an expression for it, found %s", strict.Describe(n))
	case n.Tag == "!!int":
		i, err := strconv.Atoi(n.Value)
		if err != nil {
			d.Fail(n, "want a whole number, found %s", strict.Describe(n))
		}
		m.fixed = i
	case strings.Contains(n.Value, "{{"):
		t, err := expr.CompileTemplate(n.Value)
		if err != nil {
			d.Fail(n, "%v", err)
		}
		m.template = t
	default:
		m.expr = &Expr{}
		m.expr.UnmarshalStrict(d, n)
	}
}

// Value is the number in a scope.
func (m *Number) Value(ctx context.Context, s expr.Scope) (int, error) {
	var value any = int64(m.fixed)
	var err error
	switch {
	case m.template != nil:
		value, err = m.template.Render(ctx, s)
	case m.expr != nil:
		value, err = m.expr.Value(ctx, s)
	}
	if err != nil {
		return 0, err
	}
	switch t := value.(type) {
	case int64:
		return int(t), nil
	case float64:
		return int(t), nil
	case string:
		if i, err := strconv.Atoi(strings.TrimSpace(t)); err == nil {
			return i, nil
		}
	}
	return 0, fmt.Errorf("want a whole number, found %q", fmt.Sprint(value))
}

// Words is a text in both languages with {{expressions}}. It has EN and KO
// once it is compiled.
type Words struct {
	Text lang.Text
	EN   *expr.Template
	KO   *expr.Template
	At   problem.Pos
}

// UnmarshalStrict keeps the texts.
func (w *Words) UnmarshalStrict(d *strict.Decoder, n *yaml.Node) {
	w.At = d.At(n)
	d.Value(n, &w.Text)
}

// Pick gives the template in the current language; nil if there is none.
func (w *Words) Pick() *expr.Template {
	if w == nil {
		return nil
	}
	if lang.Current() == lang.Korean {
		return w.KO
	}
	return w.EN
}
