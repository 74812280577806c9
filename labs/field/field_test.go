package field

import (
	"context"
	"slices"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/expr"
)

// inner and outer have every value of this package, at every depth.
type inner struct {
	Name   *Name
	Number *Number
	Text   *Number
	Fixed  *Number
}

type outer struct {
	Expr  *Expr
	Words *Words
	List  []inner
	Map   map[string]*Name
	None  *Name
	Any   any `yaml:"-"`
}

const all = `expr: vars.a == "1"
words: {en: "{{vars.b}}", ko: "{{vars.c}}"}
list: [{name: "{{vars.d}}", number: int(vars.e), text: "{{vars.f}}", fixed: 7}]
map: {y: "{{vars.h}}", x: "{{vars.g}}"}
`

func TestSourcesVisitsAll(t *testing.T) {
	var o outer
	if found := strict.Decode("f", []byte(all), &o); len(found) > 0 {
		t.Fatal(found)
	}
	o.Any = &inner{Name: o.Map["x"]}
	var names []string
	Sources([]outer{o}, func(at problem.Pos, source string) {
		names = append(names, UsedVars(source)...)
		if at.Line == 0 {
			t.Errorf("%q has no place", source)
		}
	})
	if got := strings.Join(names, ""); got != "abcdefghg" {
		t.Errorf("visited %s", got)
	}
}

func TestUsed(t *testing.T) {
	source := "vars.color == seen.uid && myvars.x == vars.word1"
	if got := UsedVars(source); !slices.Equal(got, []string{"color", "word1"}) {
		t.Errorf("vars: %v", got)
	}
	if got := UsedSeen(source); !slices.Equal(got, []string{"uid"}) {
		t.Errorf("seen: %v", got)
	}
}

func TestNumberAndName(t *testing.T) {
	var o outer
	if found := strict.Decode("f", []byte(all), &o); len(found) > 0 {
		t.Fatal(found)
	}
	var v Validator
	for _, n := range []*Number{o.List[0].Number, o.List[0].Text, o.List[0].Fixed, nil} {
		v.Number(n, "port", 1, 9)
	}
	if len(v.Problems) > 0 {
		t.Fatal(v.Problems)
	}
	s := expr.Scope{"vars": map[string]string{"d": "web", "e": "3", "f": "4"}, "ns": "", "seen": map[string]any{}, "pods": []any{}, "owners": map[string]string{}, "files": ""}
	for n, want := range map[*Number]int{o.List[0].Number: 3, o.List[0].Text: 4, o.List[0].Fixed: 7} {
		if got, err := n.Value(context.Background(), s); got != want || err != nil {
			t.Errorf("%v, %v, want %d", got, err, want)
		}
	}
	for n, want := range map[*Name]string{o.List[0].Name: "web", o.None: "fallback"} {
		if got, err := n.Fill(context.Background(), s, "fallback"); got != want || err != nil {
			t.Errorf("%q, %v, want %s", got, err, want)
		}
	}
	v.Number(o.List[0].Fixed, "port", 8, 9)
	if got := v.Problems.Error(); got != "f:3:77: port: want 8 to 9, found 7" {
		t.Error(got)
	}
}

func TestMistakesHaveTheirPlace(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"expr: 1 + oops", "f:1:11: in the expression: undeclared reference to 'oops'"},
		{"expr: |\n  1 +\n  oops", "f:3: in the expression: undeclared reference to 'oops'"},
		{"expr: 1 + 1", "f:1:7: in the expression: this gives int, but a condition must be true or false"},
		{"words: {en: '{{oops}}', ko: a}\nexpr: 'true'", "f:1:8: en: undeclared reference to 'oops'"},
		{"words: {en: a, ko: b}", "f:9: expr is missing"},
	} {
		var o outer
		if found := strict.Decode("f", []byte(c.text), &o); len(found) > 0 {
			t.Fatal(found)
		}
		v := Validator{File: "f"}
		v.Condition(o.Expr, problem.Pos{Line: 9})
		v.Words(o.Words)
		if got := v.Problems.Error(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}
