package strict

import (
	"reflect"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// Field is a name in YAML and the pointer to where its value goes.
type Field struct {
	Name string
	Into any
}

// Fields reads a mapping with these fields, and tells which of them are there.
func (d *Decoder) Fields(n *yaml.Node, fields []Field) (seen map[string]bool) {
	seen = map[string]bool{}
	names := make([]string, len(fields))
	into := map[string]any{}
	for i, f := range fields {
		names[i], into[f.Name] = f.Name, f.Into
	}
	if n.Kind != yaml.MappingNode {
		d.Fail(n, "want fields (%s), found %s", strings.Join(names, ", "), Describe(n))
		return seen
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch target, known := into[key.Value]; {
		case !known:
			d.Fail(key, "unknown field %q%s", key.Value, Suggest(key.Value, names))
		case seen[key.Value]:
			d.Fail(key, "field %q is there twice", key.Value)
		default:
			seen[key.Value] = true
			d.Value(value, target)
		}
	}
	return seen
}

// FieldsOf are the fields of the struct that into points to.
func FieldsOf(into any) []Field {
	v := reflect.ValueOf(into).Elem()
	var fields []Field
	for i := range v.NumField() {
		if name := fieldName(v.Type().Field(i)); name != "" {
			fields = append(fields, Field{name, v.Field(i).Addr().Interface()})
		}
	}
	return fields
}

// fieldName is a field's name in YAML; empty if it has none.
func fieldName(f reflect.StructField) string {
	tag := f.Tag.Get("yaml")
	switch {
	case tag == "-" || !f.IsExported():
		return ""
	case tag != "":
		return tag
	case f.Name == strings.ToUpper(f.Name):
		return strings.ToLower(f.Name)
	}
	r := []rune(f.Name)
	r[0] = unicode.ToLower(r[0])
	return string(r)
}
