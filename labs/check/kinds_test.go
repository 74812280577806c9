package check_test

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/field"
	"noriter.dev/noriter/labs/labtest"
)

// TestRowsAreDocumented: the package documentation is what lab authors have of
// each kind of check and of each act.
func TestRowsAreDocumented(t *testing.T) {
	docs := labtest.ReadDocs(t, ".")
	for name, kind := range check.Rows() {
		fresh := reflect.New(reflect.TypeOf(kind).Elem()).Interface()
		for _, f := range docs.Undocumented(fresh) {
			t.Errorf("%s: the field %s is documented neither by itself nor by its type", name, f)
		}
		if k, ok := fresh.(check.Kind); ok {
			for _, v := range k.Variables() {
				if doc := docs.Of(fresh); !strings.Contains(doc, "`"+v+"`") {
					t.Errorf("%s: the documentation of its type doesn't name the variable `%s`", name, v)
				}
			}
		}
	}
}

// TestOneKindOneAct: what is written of a table is one row, and messages list
// them all.
func TestOneKindOneAct(t *testing.T) {
	const then = "then: {list: {kind: Pod}, expr: 'true'}"
	kinds := strings.Join(check.KindNames(), ", ")
	if !strings.HasPrefix(kinds, "object, list, http") {
		t.Fatalf("the kinds are %s", kinds)
	}
	for _, c := range []struct{ text, want string }{
		{"{id: a, expr: 'true'}", `check "a": want exactly one of ` + kinds + "; found 0"},
		{"{id: a, log: {pod: p}, list: {kind: Pod}, expr: 'true'}", `check "a": want exactly one of ` + kinds + "; found 2"},
		{"{id: a, lists: {kind: Pod}}", `unknown field "lists" (did you mean "list"?)`},
		{"{id: a, whatsoever: 1}", `unknown field "whatsoever" (known: id, ` + kinds + ", expr, expect, explain, fact, within, given)"},
		{"5", "want fields (id, " + kinds + `, expr, expect, explain, fact, within, given), found "5"`},
		{"{id: a, triggered: {" + then + "}}", "triggered: needs exactly one act (delete, scale, label or node) and then"},
		{"{id: a, triggered: {delete: {kind: Pod, name: x}}}", "triggered: needs exactly one act (delete, scale, label or node) and then"},
		{"{id: a, triggered: {delet: {kind: Pod, name: x}, " + then + "}}", `unknown field "delet" (did you mean "delete"?)`},
		{"{id: a, triggered: {zzzzzzzzz: 1}}", `unknown field "zzzzzzzzz" (known: delete, scale, label, node, then, within, stays)`},
		{"{id: a, triggered: {delete: {kind: Pod, name: x}, " + then + "}, expr: 'true'}", "this kind takes no expr"},
		{"{id: a, object: {kind: Pod, name: x, absent: true}, expr: 'true'}", "this kind takes no expr"},
		{"{id: a, triggered: {delete: {kind: Pod, name: x}, then: {triggered: {delete: {kind: Pod, name: x}, " + then + "}}}}", "a triggered check can't trigger another"},
		{"{id: a, triggered: {delete: {kind: Pod, name: x}, then: {given: [b], list: {kind: Pod}, expr: 'true'}}}", "given says nothing here"},
		{"{id: a, triggered: {delete: {kind: Pod}, " + then + "}}", "delete: want name or selector"},
		{"{id: a, triggered: {label: {kind: Pod, name: x}, " + then + "}}", "label: labels is missing"},
		{"{id: a, triggered: {scale: {kind: ReplicaSet, name: x, replicas: 500}, " + then + "}}", "replicas: want 0 to 100, found 500"},
		{"{id: a, triggered: {node: {on: x, stop: y, power: off}, " + then + "}}", "node: want exactly one of stop: UNIT, start: UNIT, power: off"},
		{"{id: a, triggered: {delete: {kind: Pod, name: x}, then: {list: {kind: Pod}, expr: size(before) == size(items)}}}", ""},
		{"{id: a, list: {kind: Pod}, expr: size(before) == 0}", "undeclared reference to 'before'"},
	} {
		var ck check.Check
		found := strict.Decode("f", []byte("check: "+c.text), &struct{ Check *check.Check }{&ck})
		if len(found) == 0 {
			v := &field.Validator{File: "f"}
			ck.Validate(v)
			found = v.Problems
		}
		if got := found.Error(); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s:\n%s\nwant:\n%s", c.text, got, c.want)
		}
	}
}

func TestWhatChecksDependOn(t *testing.T) {
	for _, c := range []struct {
		text, watches string
		live          bool
		files         string
	}{
		{"object: {kind: Pod, name: x}\nexpr: 'true'", "Pod", true, ""},
		{"list: {kind: ReplicaSet, apiVersion: apps/v1, namespace: y}\nexpr: 'true'", "apps/v1 ReplicaSet in y", true, ""},
		{"event: {reason: x}\nexpr: 'true'", "v1 Event", false, ""},
		{"http: {service: x, port: 80}\nexpr: status == 200", "v1 Service, discovery.k8s.io/v1 EndpointSlice", false, ""},
		{"http: {pod: x, port: 80}\nexpr: status == 200", "", false, ""},
		{"log: {pod: x}\nexpr: 'true'", "", false, ""},
		{"script: {run: a.sh}\nexpr: 'true'", "", false, "a.sh"},
		{"triggered: {delete: {kind: Pod, name: x}, then: {script: {run: b.sh}, expr: 'true'}}", "", true, "b.sh"},
	} {
		ck := parse(t, "id: a\n"+c.text)
		var watches, files []string
		objects, live := ck.Watches()
		for _, o := range objects {
			text := strings.TrimSpace(o.APIVersion + " " + o.Kind)
			if o.Namespace != nil {
				text += " in " + o.Namespace.Source()
			}
			watches = append(watches, text)
		}
		ck.Files(func(at problem.Pos, name string) { files = append(files, name) })
		if got := strings.Join(watches, ", "); got != c.watches || live != c.live || strings.Join(files, " ") != c.files {
			t.Errorf("%s: watches %q, live %v, files %q", c.text, got, live, files)
		}
	}
}

func TestTriggeredCantBeLookedAt(t *testing.T) {
	w := labtest.NewWorld(t.TempDir(), pod("x"))
	ck := parse(t, "id: a\ntriggered: {delete: {kind: Pod, name: x}, then: {list: {kind: Pod}, expr: 'true'}}")
	if r := w.Run(context.Background(), scope(nil), ck); r.State != check.Unknown || !strings.Contains(r.Actual, "can't be looked at") {
		t.Errorf("%+v", r)
	}
}
