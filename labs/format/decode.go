package format

import (
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gopkg.in/yaml.v3"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
)

// decoder fills Go values from YAML nodes, and notes every mistake with its
// place instead of stopping at the first.
type decoder struct {
	file     string
	problems problem.List
}

func (d *decoder) fail(n *yaml.Node, format string, args ...any) {
	d.problems = append(d.problems, problem.At(d.at(n), format, args...))
}

func (d *decoder) at(n *yaml.Node) problem.Pos {
	return problem.Pos{File: d.file, Line: n.Line, Column: n.Column}
}

// selfDecoder is a value that reads its node itself.
type selfDecoder interface {
	decodeNode(d *decoder, n *yaml.Node)
}

// Scalars of YAML that have a type of their own here.
var (
	durationType = reflect.TypeFor[time.Duration]()
	posType      = reflect.TypeFor[problem.Pos]()
)

// decode fills v, which can be set, from n.
func (d *decoder) decode(n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		d.fail(n, "aliases (*name) are not used in labs: write the value out")
		return
	}
	switch special := v.Addr().Interface().(type) {
	case selfDecoder:
		special.decodeNode(d, n)
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
		d.decode(n, v.Elem())
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

func (d *decoder) structure(n *yaml.Node, v reflect.Value) {
	if at := v.FieldByName("At"); at.IsValid() && at.Type() == posType {
		at.Set(reflect.ValueOf(d.at(n)))
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, "want fields (%s), found %s", strings.Join(fieldNames(v.Type()), ", "), describe(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field, ok := findField(v, key.Value)
		if !ok {
			d.fail(key, "unknown field %q%s", key.Value, nearest(key.Value, fieldNames(v.Type())))
			continue
		}
		if seen[key.Value] {
			d.fail(key, "field %q is there twice", key.Value)
			continue
		}
		seen[key.Value] = true
		d.decode(value, field)
	}
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "want a list, found %s", describe(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.decode(item, out.Index(i))
	}
	v.Set(out)
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, "want names with values, found %s", describe(n))
		return
	}
	out := reflect.MakeMap(v.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := reflect.ValueOf(n.Content[i].Value)
		if out.MapIndex(key).IsValid() {
			d.fail(n.Content[i], "%q is there twice", n.Content[i].Value)
			continue
		}
		value := reflect.New(v.Type().Elem()).Elem()
		d.decode(n.Content[i+1], value)
		out.SetMapIndex(key, value)
	}
	v.Set(out)
}

func (d *decoder) duration(n *yaml.Node, v reflect.Value) {
	t, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || t < 0 {
		d.fail(n, "want a time such as 500ms, 30s or 2m, found %s", describe(n))
		return
	}
	v.Set(reflect.ValueOf(t))
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.fail(n, "want %s, found %s", typeName(v.Kind()), describe(n))
		return
	}
	switch v.Kind() {
	case reflect.String:
		if n.Tag == "!!null" {
			d.fail(n, "want text, found nothing")
			return
		}
		v.SetString(n.Value)
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if n.Tag != "!!int" || err != nil {
			d.fail(n, "want a whole number, found %s", describe(n))
			return
		}
		v.SetInt(int64(i))
	case reflect.Bool:
		if n.Tag != "!!bool" {
			d.fail(n, "want true or false, found %s", describe(n))
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	default:
		d.fail(n, "cannot read %s", v.Type())
	}
}

// fieldName is a field's name in YAML: its tag, or its Go name with a small
// first letter. "-" and ",self" fields have none.
func fieldName(f reflect.StructField) string {
	tag := f.Tag.Get("lab")
	if tag == "-" || tag == ",self" {
		return ""
	}
	if tag != "" {
		return tag
	}
	r := []rune(f.Name)
	if f.Name == strings.ToUpper(f.Name) {
		return strings.ToLower(f.Name)
	}
	r[0] = unicode.ToLower(r[0])
	return string(r)
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if name := fieldName(t.Field(i)); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func findField(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if fieldName(v.Type().Field(i)) == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func typeName(k reflect.Kind) string {
	switch k {
	case reflect.Int:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	}
	return "text"
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "fields"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "nothing"
		}
		return strconv.Quote(n.Value)
	}
	return "something else"
}
