package format

import (
	"reflect"

	"gopkg.in/yaml.v3"

	"noriter.dev/noriter/labs/expr"
)

// Name is a short text with {{expressions}} over the common variables, such
// as the name of an object.
type Name struct {
	*expr.Template
	At Pos
}

func (m *Name) decodeNode(d *decoder, n *yaml.Node) {
	m.At = d.at(n)
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.fail(n, "want text, found %s", describe(n))
		return
	}
	t, err := expr.CompileTemplate(n.Value, "files")
	if err != nil {
		d.fail(n, "%v", err)
		return
	}
	m.Template = t
}

// decodeNode keeps the source; compile does the rest when the variables of
// the place are known.
func (e *Expr) decodeNode(d *decoder, n *yaml.Node) {
	e.At = d.at(n)
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.fail(n, "want an expression, found %s", describe(n))
		return
	}
	e.source, e.block = n.Value, n.Style == yaml.LiteralStyle || n.Style == yaml.FoldedStyle
}

// decodeNode reads {en: …, ko: …}; both must be there.
func (t *Text) decodeNode(d *decoder, n *yaml.Node) {
	type plain Text
	before := len(d.problems)
	d.structure(n, reflect.ValueOf((*plain)(t)).Elem())
	if len(d.problems) > before {
		return
	}
	if t.En == "" {
		d.fail(n, "the English text (en) is missing")
	}
	if t.Ko == "" {
		d.fail(n, "the Korean text (ko) is missing")
	}
}

func (w *Words) decodeNode(d *decoder, n *yaml.Node) { w.Text.decodeNode(d, n) }

// decodeNode reads either "any" or {nodes: N}.
func (t *Testbed) decodeNode(d *decoder, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Value == "any" {
		t.Any = true
		return
	}
	type plain Testbed
	d.structure(n, reflect.ValueOf((*plain)(t)).Elem())
}
