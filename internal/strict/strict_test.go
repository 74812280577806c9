package strict

import (
	"strings"
	"testing"
)

type sample struct {
	Name   string `yaml:"name"`
	Nodes  int    `yaml:"nodes"`
	Memory struct {
		Control int `yaml:"control"`
	} `yaml:"memory"`
	Tags  []string `yaml:"tags"`
	Items []struct {
		ID string `yaml:"id"`
	} `yaml:"items"`
	Vars map[string]string `yaml:"vars"`
}

func TestUnmarshal(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"fine", "name: a\nnodes: 2\nmemory: {control: 5}\ntags: [x]\nitems: [{id: a}]\nvars: {a: b}\n", ""},
		{"unknown with a neighbour", "name: a\nnods: 2\n", `f.yaml:2:1: unknown field "nods"; did you mean "nodes"?`},
		{"unknown far from all", "zzzzzzzz: 2\n", `f.yaml:1:1: unknown field "zzzzzzzz"`},
		{"unknown below", "memory:\n  contrl: 5\n", `f.yaml:2:3: unknown field "memory.contrl"; did you mean "control"?`},
		{"unknown in a list", "items:\n- idd: 5\n", `f.yaml:2:3: unknown field "items[0].idd"; did you mean "id"?`},
		{"twice", "name: a\nname: b\n", `name`},
		{"wrong type", "nodes: many\n", "f.yaml:1:1: cannot unmarshal !!str `many` into int"},
		{"a list for a value", "nodes: [1]\n", `f.yaml:1:8: nodes: expected a single value, found a list`},
		{"a value for a list", "tags: a\n", `f.yaml:1:7: tags: expected a list, found "a"`},
		{"a value for a mapping", "memory: 5\n", `f.yaml:1:9: memory: expected a mapping, found "5"`},
		{"indentation", "name: a\n  nodes: 2\n", "f.yaml:2:1: mapping values are not allowed"},
		{"empty", "", "f.yaml: the file is empty"},
		{"two documents", "name: a\n---\nname: b\n", "second document"},
		{"a list at the top", "- a\n", "expected a mapping"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s sample
			err := Unmarshal("f.yaml", []byte(c.in), &s)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if s.Name != "a" || s.Nodes != 2 || s.Memory.Control != 5 || s.Items[0].ID != "a" {
					t.Errorf("read %+v", s)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	err := Unmarshal("f", []byte("nmae: a\nnods: 1\n"), &sample{})
	if err == nil || strings.Count(err.Error(), "did you mean") != 2 {
		t.Errorf("got %v", err)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"pods", "replicasets", "ingress"}
	for got, want := range map[string]string{"pod": "pods", "replicaset": "replicasets", "ingres": "ingress", "xyzzy": ""} {
		if n := Nearest(got, known); n != want {
			t.Errorf("Nearest(%q) = %q, want %q", got, n, want)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte("name: a\nnodes: 2\n"))
	f.Add([]byte("a: &x {b: *x}"))
	f.Add([]byte("items: [{id: a}, 5]"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		var s sample
		_ = Unmarshal("f", data, &s)
	})
}
