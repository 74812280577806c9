// Package strict reads YAML files that people write: a field that does not
// exist is an error with file, line and the nearest name, never ignored.
package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// Error is one mistake in a file.
type Error struct {
	File         string
	Line, Column int
	Message      string
}

// Error is in the form that editors can jump to.
func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// Unmarshal reads one YAML document into the struct that into points to. All
// mistakes are reported together, as *Error values joined by errors.Join.
func Unmarshal(file string, data []byte, into any) error {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return &Error{File: file, Message: "the file is empty"}
		}
		return syntaxError(file, err)
	}
	var rest yaml.Node
	if err := dec.Decode(&rest); !errors.Is(err, io.EOF) {
		return &Error{File: file, Line: rest.Line, Column: rest.Column, Message: "there is a second document; one is expected"}
	}
	root := doc.Content[0]
	v := visitor{file: file}
	v.check(root, reflect.TypeOf(into).Elem(), "")
	if len(v.errs) > 0 {
		return errors.Join(v.errs...)
	}
	if err := root.Decode(into); err != nil {
		return syntaxError(file, err)
	}
	return nil
}

// syntaxError turns yaml's own "line 3: …" into file, line and message.
func syntaxError(file string, err error) error {
	var te *yaml.TypeError
	if errors.As(err, &te) {
		var errs []error
		for _, m := range te.Errors {
			errs = append(errs, lineError(file, m))
		}
		return errors.Join(errs...)
	}
	return lineError(file, strings.TrimPrefix(err.Error(), "yaml: "))
}

func lineError(file, message string) error {
	e := &Error{File: file, Message: message}
	var line int
	if n, _ := fmt.Sscanf(message, "line %d: ", &line); n == 1 {
		_, e.Message, _ = strings.Cut(message, ": ")
		e.Line, e.Column = line, 1
	}
	return e
}

type visitor struct {
	file string
	errs []error
}

func (v *visitor) fail(n *yaml.Node, format string, args ...any) {
	v.errs = append(v.errs, &Error{File: v.file, Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...)})
}

var unmarshaler = reflect.TypeFor[yaml.Unmarshaler]()

// check walks the document beside the type.
func (v *visitor) check(n *yaml.Node, t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if reflect.PointerTo(t).Implements(unmarshaler) || n.Tag == "!!null" {
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		v.checkStruct(n, t, path)
	case reflect.Map:
		if n.Kind != yaml.MappingNode {
			v.fail(n, "%s: expected a mapping, found %s", name(path), describe(n))
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			v.check(n.Content[i+1], t.Elem(), join(path, n.Content[i].Value))
		}
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			v.fail(n, "%s: expected a list, found %s", name(path), describe(n))
			return
		}
		for i, item := range n.Content {
			v.check(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Interface:
	default:
		if n.Kind != yaml.ScalarNode {
			v.fail(n, "%s: expected a single value, found %s", name(path), describe(n))
		}
	}
}

func (v *visitor) checkStruct(n *yaml.Node, t reflect.Type, path string) {
	if n.Kind != yaml.MappingNode {
		v.fail(n, "%s: expected a mapping, found %s", name(path), describe(n))
		return
	}
	fields := Fields(t)
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		f, ok := fields[key.Value]
		switch {
		case !ok:
			v.fail(key, "unknown field %q%s", join(path, key.Value), didYouMean(key.Value, fields))
		case seen[key.Value]:
			v.fail(key, "field %q is given twice", join(path, key.Value))
		default:
			v.check(n.Content[i+1], f, join(path, key.Value))
		}
		seen[key.Value] = true
	}
}

// Fields lists a struct's YAML names with their types.
func Fields(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case opts == "inline":
			for k, v := range Fields(f.Type) {
				out[k] = v
			}
		case tag == "-" || !f.IsExported():
		case tag == "":
			out[strings.ToLower(f.Name)] = f.Type
		default:
			out[tag] = f.Type
		}
	}
	return out
}

func didYouMean(got string, fields map[string]reflect.Type) string {
	names := make([]string, 0, len(fields))
	for n := range fields {
		names = append(names, n)
	}
	if near := Nearest(got, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("%q", n.Value)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func name(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}
