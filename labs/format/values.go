package format

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/expr"
)

// Name is a short text with {{expressions}} over the common variables, such
// as the name of an object.
type Name struct {
	*expr.Template
	At problem.Pos
}

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

// source is Source for a name that may not be there.
func (m *Name) source() string {
	if m == nil {
		return ""
	}
	return m.Source()
}

// Number is a whole number: as it stands, as a text with {{expressions}}, or
// as an expression such as int(vars.port) or seen.port.
type Number struct {
	fixed    int
	template *expr.Template
	expr     *Expr
	At       problem.Pos `yaml:"-"`
}

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

// number validates a number that may not be there.
func (v *validator) number(m *Number, what string, least, most int) {
	switch {
	case m == nil || m.template != nil:
	case m.expr != nil:
		v.compile(m.expr, m.At, false)
	case m.fixed < least || m.fixed > most:
		v.fail(m.At, "%s: want %d to %d, found %d", what, least, most, m.fixed)
	}
}

// UnmarshalStrict keeps the source; compile does the rest when the variables of
// the place are known.
func (e *Expr) UnmarshalStrict(d *strict.Decoder, n *yaml.Node) {
	e.At = d.At(n)
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.Fail(n, "want an expression, found %s", strict.Describe(n))
		return
	}
	e.source, e.block = n.Value, n.Style == yaml.LiteralStyle || n.Style == yaml.FoldedStyle
}

func (w *Words) UnmarshalStrict(d *strict.Decoder, n *yaml.Node) {
	w.At = d.At(n)
	d.Value(n, &w.Text)
}

// UnmarshalStrict reads either "any" or {nodes: N}.
func (t *Testbed) UnmarshalStrict(d *strict.Decoder, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Value == "any" {
		t.Any = true
		return
	}
	type plain Testbed
	d.Value(n, (*plain)(t))
}
