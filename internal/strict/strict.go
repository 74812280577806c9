// Package strict reads the YAML files that people write: testbed files, labs
// and quizzes. A field that does not exist is a mistake with file, line and the
// nearest name, never ignored; and all mistakes of a file are told at once.
//
// A file is read into a struct. A field's name in YAML is its `yaml` tag, or
// else its Go name with a small first letter (all of it small where all of it
// is capitals); "-" keeps a field out. A field At of the type problem.Pos gets
// the place of its struct. A value that is written in several ways decodes
// itself, see Unmarshaler.
package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"

	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/internal/problem"
)

// Decode reads one YAML document into the struct that into points to. What is
// written must have a value, and be written out: an alias (*name) is a mistake.
func Decode(file string, data []byte, into any) problem.List {
	return decode(&Decoder{file: file}, data, into)
}

// Unmarshal is Decode for a file of settings, over the defaults that into
// holds: a field without a value keeps its default, and aliases are followed.
// Its error is a problem.List.
func Unmarshal(file string, data []byte, into any) error {
	return decode(&Decoder{file: file, settings: true}, data, into).Err()
}

func decode(d *Decoder, data []byte, into any) problem.List {
	root, problems := document(d.file, data)
	if len(problems) > 0 {
		return problems
	}
	d.printable(root)
	d.value(root, reflect.ValueOf(into).Elem())
	return d.problems
}

// printable finds characters that a terminal would obey, which YAML can write as "\e".
func (d *Decoder) printable(n *yaml.Node) {
	if !printable.Safe(n.Value) {
		d.Fail(n, "%s: this has a character that is none to show: a terminal obeys it", printable.Text(n.Value))
	}
	for _, below := range n.Content { // an alias has none: what it stands for is elsewhere in the file
		d.printable(below)
	}
}

// document is the one YAML document of a file.
func document(file string, data []byte) (*yaml.Node, problem.List) {
	var root, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&root); errors.Is(err, io.EOF) {
		return nil, problem.List{problem.Line(file, 1, "the file is empty")}
	} else if err != nil {
		return nil, syntax(file, err)
	}
	if err := dec.Decode(&second); err == nil {
		return nil, problem.List{problem.Line(file, second.Line, "one document per file: a second one starts here")}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntax(file, err)
	}
	if len(root.Content) != 1 {
		return nil, problem.List{problem.Line(file, 1, "the file is empty")}
	}
	return root.Content[0], nil
}

// syntax is an error of yaml.v3, which has its line only in the text:
// "yaml: line 3: mapping values are not allowed in this context".
func syntax(file string, err error) problem.List {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if n, _ := fmt.Sscanf(text, "line %d:", &line); n == 1 {
		_, text, _ = strings.Cut(text, ": ")
	}
	return problem.List{problem.Line(file, max(line, 1), "this is not YAML: %s", text)}
}
