package strict

import (
	"reflect"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
)

// Decoder fills Go values from YAML nodes, and notes every mistake with its
// place instead of stopping at the first.
type Decoder struct {
	file     string
	settings bool // see Unmarshal
	problems problem.List
}

// Unmarshaler is a value that reads its node itself.
type Unmarshaler interface {
	UnmarshalStrict(d *Decoder, n *yaml.Node)
}

// Fail notes a mistake at a node.
func (d *Decoder) Fail(n *yaml.Node, format string, args ...any) {
	d.problems = append(d.problems, problem.At(d.At(n), format, args...))
}

// At is the place of a node.
func (d *Decoder) At(n *yaml.Node) problem.Pos {
	return problem.Pos{File: d.file, Line: n.Line, Column: n.Column}
}

// Value fills what into points to.
func (d *Decoder) Value(n *yaml.Node, into any) { d.value(n, reflect.ValueOf(into).Elem()) }

// Types that have a form of their own in YAML.
var (
	durationType = reflect.TypeFor[time.Duration]()
	posType      = reflect.TypeFor[problem.Pos]()
)

// value fills v, which can be set, from n.
func (d *Decoder) value(n *yaml.Node, v reflect.Value) {
	switch {
	case n.Kind == yaml.AliasNode && d.settings:
		n = n.Alias
	case n.Kind == yaml.AliasNode:
		d.Fail(n, "aliases (*name) are not used in labs: write the value out")
		return
	}
	if d.settings && isNull(n) {
		return
	}
	switch special := v.Addr().Interface().(type) {
	case Unmarshaler:
		special.UnmarshalStrict(d, n)
		return
	case *lang.Text:
		d.text(n, special)
		return
	}
	switch {
	case v.Type() == durationType:
		d.duration(n, v)
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem())
	case v.Kind() == reflect.Struct:
		d.structure(n, v)
	case v.Kind() == reflect.Slice:
		d.sequence(n, v)
	case v.Kind() == reflect.Map:
		d.mapping(n, v)
	default:
		d.scalar(n, v)
	}
}

func (d *Decoder) structure(n *yaml.Node, v reflect.Value) {
	if at := v.FieldByName("At"); at.IsValid() && at.Type() == posType {
		at.Set(reflect.ValueOf(d.At(n)))
	}
	d.Fields(n, FieldsOf(v.Addr().Interface()))
}

func (d *Decoder) sequence(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.Fail(n, "want a list, found %s", Describe(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(item, out.Index(i))
	}
	v.Set(out)
}

func (d *Decoder) mapping(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.Fail(n, "want names with values, found %s", Describe(n))
		return
	}
	out := reflect.MakeMap(v.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := reflect.ValueOf(n.Content[i].Value)
		if out.MapIndex(key).IsValid() {
			d.Fail(n.Content[i], "%q is there twice", n.Content[i].Value)
			continue
		}
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(n.Content[i+1], value)
		out.SetMapIndex(key, value)
	}
	v.Set(out)
}

func (d *Decoder) duration(n *yaml.Node, v reflect.Value) {
	t, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || t < 0 {
		d.Fail(n, "want a time such as 500ms, 30s or 2m, found %s", Describe(n))
		return
	}
	v.Set(reflect.ValueOf(t))
}

// text reads {en: …, ko: …}; both must be there.
func (d *Decoder) text(n *yaml.Node, t *lang.Text) {
	before := len(d.problems)
	d.Fields(n, FieldsOf(t))
	if len(d.problems) > before {
		return
	}
	if t.EN == "" {
		d.Fail(n, "the English text (en) is missing")
	}
	if t.KO == "" {
		d.Fail(n, "the Korean text (ko) is missing")
	}
}

// wanted names what a scalar of a kind must be.
var wanted = map[reflect.Kind]string{reflect.String: "text", reflect.Int: "a whole number", reflect.Bool: "true or false"}

func (d *Decoder) scalar(n *yaml.Node, v reflect.Value) {
	want := wanted[v.Kind()]
	if want == "" {
		d.Fail(n, "cannot read %s", v.Type())
		return
	}
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.Fail(n, "want %s, found %s", want, Describe(n))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if n.Tag != "!!int" || err != nil {
			d.Fail(n, "want %s, found %s", want, Describe(n))
			return
		}
		v.SetInt(int64(i))
	case reflect.Bool:
		if n.Decode(v.Addr().Interface()) != nil { // yes and on are true, too
			d.Fail(n, "want %s, found %s", want, Describe(n))
		}
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// Describe says what a node is, for "want …, found …".
func Describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "fields"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if isNull(n) {
			return "nothing"
		}
		return strconv.Quote(n.Value)
	}
	return "something else"
}
