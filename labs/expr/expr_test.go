package expr

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func scope(extra map[string]any) Scope {
	s := Scope{"vars": map[string]string{"color": "red"}, "ns": "lab-x", "seen": map[string]any{}, "pods": []any{}}
	for k, v := range extra {
		s[k] = v
	}
	return s
}

func TestCompileRefusesWhatItCannotKnow(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{"objct.status", "objct"},
		{"object.x ==", "yntax"},
		{"1 +", "yntax"},
		{"size(pods)", "must be true or false"},
	} {
		_, err := CompileBool(c.source, "object")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want something with %q", c.source, err, c.want)
		}
	}
}

func TestVerdictSaysWhich(t *testing.T) {
	for _, c := range []struct {
		source  string
		object  any
		want    bool
		missing bool
		left    string
		actual  string
		wanted  string
	}{
		{`object.n == 3`, map[string]any{"n": int64(2)}, false, false, "object.n", "2", "3"},
		{`object.n == 3`, map[string]any{"n": int64(3)}, true, false, "object.n", "3", "3"},
		{`object.a == 1 && object.n >= 3`, map[string]any{"a": int64(1), "n": int64(2)}, false, false, "object.n", "2", ">= 3"},
		{`object.status.n == 3`, map[string]any{"status": map[string]any{}}, false, true, "object.status.n", "not set", "3"},
		{`object.status.?n.orValue(0) == 3`, map[string]any{"status": map[string]any{}}, false, false, "object.status.?n.orValue(0)", "0", "3"},
		{`size(object.l.filter(x, x > 1)) == 3`, map[string]any{"l": []any{int64(1), int64(2)}}, false, false, "", "1", "3"},
		{`object.c == vars.color`, map[string]any{"c": "blue"}, false, false, "object.c", `"blue"`, `"red"`},
		{`object.c == "x"`, nil, false, true, "object.c", "not set", `"x"`},
	} {
		p, err := CompileBool(c.source, "object")
		if err != nil {
			t.Fatalf("%q: %v", c.source, err)
		}
		v, err := p.Test(context.Background(), scope(map[string]any{"object": c.object}))
		if err != nil {
			t.Errorf("%q: %v", c.source, err)
			continue
		}
		if v.True != c.want || (v.Missing != "" || !v.True && len(v.Reasons) == 0) != c.missing && c.object != nil {
			t.Errorf("%q: got %+v", c.source, v)
		}
		if len(v.Reasons) != 1 {
			t.Errorf("%q: want one reason, got %+v", c.source, v.Reasons)
			continue
		}
		r := v.Reasons[0]
		if c.left != "" && r.Left != c.left || r.Actual != c.actual || r.Wanted != c.wanted {
			t.Errorf("%q: got %+v", c.source, r)
		}
	}
}

func TestLazyVariableIsNotFetched(t *testing.T) {
	fetched := 0
	s := scope(map[string]any{"object": map[string]any{"n": int64(1)}, "pods": func() any { fetched++; return []any{} }})
	p, _ := CompileBool("object.n == 1", "object")
	if v, err := p.Test(context.Background(), s); err != nil || !v.True || fetched != 0 {
		t.Fatalf("got %+v, %v, fetched %d times", v, err, fetched)
	}
	p, _ = CompileBool("size(pods) == 0")
	if v, err := p.Test(context.Background(), s); err != nil || !v.True || fetched == 0 {
		t.Fatalf("got %+v, %v, fetched %d times", v, err, fetched)
	}
}

func TestFunctions(t *testing.T) {
	pod := map[string]any{
		"kind": "Pod",
		"metadata": map[string]any{"name": "p", "ownerReferences": []any{
			map[string]any{"kind": "ReplicaSet", "name": "web", "controller": true}}},
		"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "True"}},
			"containerStatuses": []any{map[string]any{"name": "c", "restartCount": int64(2)}}},
	}
	for _, source := range []string{
		`ready(object)`, `controller(object) == "ReplicaSet/web"`, `container(object, "c").restartCount == 2`,
		`container(object, "d") == null`, `!ready(null)`, `controller({}) == ""`,
	} {
		p, err := CompileBool(source, "object")
		if err != nil {
			t.Fatal(err)
		}
		if v, err := p.Test(context.Background(), scope(map[string]any{"object": pod})); err != nil || !v.True {
			t.Errorf("%q: got %+v, %v", source, v, err)
		}
	}
}

func TestTemplate(t *testing.T) {
	tpl, err := CompileTemplate("on {{object.node}}, {{ object.list }}, {{object.gone}}, {{vars.color}}", "object")
	if err != nil {
		t.Fatal(err)
	}
	got, err := tpl.Render(context.Background(), scope(map[string]any{"object": map[string]any{"node": "node1", "list": []any{"a", "b"}}}))
	if want := "on node1, a, b, —, red"; err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
	_, err = CompileTemplate("first\n  {{vars.}}")
	e, ok := err.(*Error)
	if !ok || e.Line != 2 || e.Column != 3 {
		t.Fatalf("got %#v", err)
	}
}

func TestCostIsLimited(t *testing.T) {
	big := make([]any, 3000)
	for i := range big {
		big[i] = int64(i)
	}
	p, err := CompileBool("object.all(a, object.all(b, a + b >= 0))", "object")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Test(context.Background(), scope(map[string]any{"object": big})); err == nil {
		t.Fatal("an expression without end was let through")
	}
}

// TestValuesAreBounded has expressions that are short, and whose values would fill the
// memory; none of them may come to its end, and those of the same form with little do.
func TestValuesAreBounded(t *testing.T) {
	chain := func(n int, add string) string { return strings.Repeat(add, n) }
	for _, source := range []string{
		`size("a"` + chain(9, `.replace("a", "aaaaaaaaaaaaaaaaaaaa")`) + `) > 0`,
		`size("a"` + chain(9, `.replace("a", "aaaaaaaaaaaaaaaaaaaa", 100000000)`) + `) > 0`,
		`size(lists.range(1000000000)) > 0`,
		`size(lists.range(300).map(x, "a"` + chain(4, `.replace("a", "aaaaaaaaaaaaaaaaaaaa")`) + `).join("x")) > 0`,
		`size("%s".format([lists.range(300).map(x, "a"` + chain(4, `.replace("a", "aaaaaaaaaaaaaaaaaaaa")`) + `)])) > 0`,
		`[[0]]` + chain(40, `.map(l, l + l)`) + ` == object`,
	} {
		p, err := CompileBool(source, "object")
		if err != nil {
			t.Fatalf("%q: %v", source, err)
		}
		if v, err := p.Test(context.Background(), scope(map[string]any{"object": int64(1)})); err == nil {
			t.Errorf("%.80q came to %v", source, v.True)
		}
	}
	for _, source := range []string{
		`"a.b".replace(".", "-") == "a-b" && "aaa".replace("a", "b", 2) == "bba" && "ab".replace("", "-") == "-a-b-"`,
		`["a", "b"].join("-") == "a-b" && ["a", "b"].join() == "ab" && [].join("x") == ""`,
		`"%s has %d of %.1f".format(["a", 1, 2.5]) == "a has 1 of 2.5" && lists.range(3) == [0, 1, 2]`,
		`size(lists.range(2000).map(x, x + 1).filter(x, x > 5)) > 0`,
	} {
		p, err := CompileBool(source)
		if err != nil {
			t.Fatalf("%q: %v", source, err)
		}
		if v, err := p.Test(context.Background(), scope(nil)); err != nil || !v.True {
			t.Errorf("%q: %+v, %v", source, v, err)
		}
	}
	// What is the same in many places is small in memory, and endless to whoever writes it out.
	p, err := Compile(`[[0]]` + chain(40, `.map(l, [l, l])`))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := p.Value(context.Background(), scope(nil)); err == nil {
		t.Errorf("a value of 2^40 parts was given: %T", v)
	}
}

// TestSourcesAreBounded: what would take minutes to compile is not begun.
func TestSourcesAreBounded(t *testing.T) {
	if _, err := Compile(strings.Repeat("ns == 'a' || ", sourceLimit/10) + "true"); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a long expression: %v", err)
	}
	var wrong *Error
	_, err := CompileTemplate(strings.Repeat("{{ns}} ", partsLimit))
	if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "more than") || wrong.Line != 1 || wrong.Column < partsLimit {
		t.Errorf("a text of expressions: %+v", err)
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add("a {{vars.x}} b")
	f.Add("{{}}")
	f.Add("{{{{}}}}")
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 200 {
			return
		}
		tpl, err := CompileTemplate(s)
		if err == nil {
			_, _ = tpl.Render(context.Background(), scope(nil))
		}
	})
}

func TestNumbersAreShownInFull(t *testing.T) {
	for value, want := range map[any]string{
		int64(1073741824): "1073741824", float64(1073741824): "1073741824", 4.0: "4", 0.25: "0.25", 0.0000001: "0.0000001",
	} {
		if got := ShowValue(value); got != want {
			t.Errorf("%T %v is shown as %s, want %s", value, value, got, want)
		}
	}
}
