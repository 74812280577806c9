package check

import (
	"reflect"
	"slices"

	"gopkg.in/yaml.v3"

	"noriter.dev/noriter/internal/strict"
)

// table is what lab.yaml has one of, under one of several names.
type table[K any] []row[K]

// row is a name in lab.yaml, and a nil pointer to the struct that is read.
type row[K any] struct {
	name string
	kind K
}

func (t table[K]) names() []string {
	names := make([]string, len(t))
	for i, r := range t {
		names[i] = r.name
	}
	return names
}

// read reads a mapping that has rows of the table as fields, between others,
// and gives the rows that are there, filled.
func (t table[K]) read(d *strict.Decoder, n *yaml.Node, before, after []strict.Field) (found []K) {
	fields := slices.Clone(before)
	for _, r := range t {
		fields = append(fields, strict.Field{Name: r.name, Into: reflect.New(reflect.TypeOf(r.kind).Elem()).Interface()})
	}
	seen := d.Fields(n, slices.Concat(fields, after))
	for _, f := range fields[len(before):] {
		if seen[f.Name] {
			found = append(found, f.Into.(K))
		}
	}
	return found
}
