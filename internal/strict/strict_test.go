package strict

import (
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
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
	Vars  map[string]string `yaml:"vars"`
	Wait  time.Duration
	On    bool
	Title lang.Text
}

func TestUnmarshal(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"fine", "name: a\nnodes: 2\nmemory: {control: 5}\ntags: [x]\nitems: [{id: a}]\nvars: {a: b}\n", ""},
		{"unknown with a neighbour", "name: a\nnods: 2\n", `f.yaml:2:1: unknown field "nods" (did you mean "nodes"?)`},
		{"unknown far from all", "zzzzzzzz: 2\n", `f.yaml:1:1: unknown field "zzzzzzzz" (known: name, nodes, memory, tags, items, vars, wait, on, title)`},
		{"unknown below", "memory:\n  contrl: 5\n", `f.yaml:2:3: unknown field "contrl" (did you mean "control"?)`},
		{"unknown in a list", "items:\n- idd: 5\n", `f.yaml:2:3: unknown field "idd" (did you mean "id"?)`},
		{"twice", "name: a\nname: b\n", `f.yaml:2:1: field "name" is there twice`},
		{"wrong type", "nodes: many\n", `f.yaml:1:8: want a whole number, found "many"`},
		{"a list for a value", "nodes: [1]\n", `f.yaml:1:8: want a whole number, found a list`},
		{"a value for a list", "tags: a\n", `f.yaml:1:7: want a list, found "a"`},
		{"a value for a mapping", "memory: 5\n", `f.yaml:1:9: want fields (control), found "5"`},
		{"indentation", "name: a\n  nodes: 2\n", "f.yaml:2: this is not YAML: mapping values are not allowed"},
		{"empty", "", "f.yaml:1: the file is empty"},
		{"two documents", "name: a\n---\nname: b\n", "f.yaml:2: one document per file"},
		{"a value for names", "vars: [a]\n", `f.yaml:1:7: want names with values, found a list`},
		{"a name twice", "vars: {a: b, a: c}\n", `f.yaml:1:14: "a" is there twice`},
		{"a number for a time", "wait: 90\n", `f.yaml:1:7: want a time such as 500ms, 30s or 2m, found "90"`},
		{"no condition", "on: perhaps\n", `f.yaml:1:5: want true or false, found "perhaps"`},
		{"half a number", "nodes: 2.5\n", `f.yaml:1:8: want a whole number, found "2.5"`},
		{"one language", "title: {en: a}\n", `f.yaml:1:8: the Korean text (ko) is missing`},
		{"a list at the top", "- a\n", "f.yaml:1:1: want fields (name, nodes, memory, tags, items, vars, wait, on, title), found a list"},
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

// TestValues: settings may be left empty or be aliases; elsewhere all is
// written out.
func TestValues(t *testing.T) {
	for _, c := range []struct{ in, strict string }{
		{"nodes:\nname:\nmemory:\n", "f:1:7: want a whole number, found nothing\nf:2:6: want text, found nothing\nf:3:8: want fields (control), found nothing"},
		{"name: &n a\ntags: [*n]\n", "f:2:8: aliases (*name) are not used in labs: write the value out"},
	} {
		s := sample{Nodes: 7}
		if err := Unmarshal("f", []byte(c.in), &s); err != nil || s.Nodes != 7 || len(s.Tags) == 1 && s.Tags[0] != "a" {
			t.Errorf("%q as settings: %v, %+v", c.in, err, s)
		}
		if got := Decode("f", []byte(c.in), &sample{}).Error(); got != c.strict {
			t.Errorf("%q:\n%s\nwant:\n%s", c.in, got, c.strict)
		}
	}
}

// level is 1, or written as a word.
type level struct {
	At     problem.Pos `yaml:"-"`
	Number int
}

func (l *level) UnmarshalStrict(d *Decoder, n *yaml.Node) {
	if n.Value == "first" {
		l.Number = 1
		return
	}
	type plain level
	d.Value(n, (*plain)(l))
}

func TestValueReadsItself(t *testing.T) {
	var s struct {
		Levels []*level
		HTTP   string
		hidden int
	}
	if found := Decode("f", []byte("levels: [first, {number: 2}]\nhttp: x\n"), &s); len(found) > 0 {
		t.Fatal(found)
	}
	if s.Levels[0].Number != 1 || s.Levels[1].Number != 2 || s.Levels[1].At != (problem.Pos{File: "f", Line: 1, Column: 17}) || s.HTTP != "x" {
		t.Errorf("%+v %+v", s, *s.Levels[1])
	}
	if found := Decode("f", []byte("hidden: 1\n"), &s); len(found) != 1 || s.hidden != 0 {
		t.Errorf("a field that isn't exported was found: %v", found)
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
