package format

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/check"
)

const goodLab = `id: demo
title: {en: Demo, ko: 데모}
summary: {en: a demo, ko: 데모입니다}
minutes: 5
level: 1
testbed: any
vars:
  color: {pick: [red, blue]}
steps:
  - id: one
    when:
      - {expr: "size(pods) == 0", hint: empty}
    remember:
      n: {list: {kind: Pod}, expr: size(items)}
    checks:
      - id: there
        object: {kind: Pod, name: "web-{{vars.color}}"}
        expr: object.status.phase == "Running"
        expect: {en: it runs, ko: 실행 중}
        explain: {en: "it is {{object.status.phase}}", ko: "{{object.status.phase}} 상태입니다"}
        fact: {en: it runs, ko: 실행 중입니다}
      - id: more
        list: {kind: Pod}
        expr: size(items) > seen.n
        expect: {en: more pods, ko: 파드가 더 많음}
        explain: {en: no more than before, ko: 전보다 많지 않습니다}
        fact: {en: more than before, ko: 전보다 많습니다}
wrong:
  - {script: wrong/a.sh, step: one, trips: there, why: {en: a, ko: 가}}
other:
  - {script: other/b.sh, step: one, why: {en: b, ko: 나}}
`

const goodText = "# Demo\nintro {{ns}}\n## One {#one}\ndo it\n### hint\na\n### hint\nb\n### hint empty\nc\n## End {#end}\nbye\n"

func tree(lab, en, ko string) fstest.MapFS {
	f := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"demo/lab.yaml": f(lab), "demo/en.md": f(en), "demo/ko.md": f(ko),
		"demo/solution/01-one.sh": f("true"), "demo/wrong/a.sh": f("true"), "demo/other/b.sh": f("true"),
	}
}

func TestLoadGood(t *testing.T) {
	l, err := Load(tree(goodLab, goodText, goodText), "demo")
	if err != nil {
		t.Fatal(err)
	}
	if l.Namespace != "lab-demo" || !l.Testbed.Any || l.Steps[0].Points != 10 || len(l.Steps[0].Cost) != 2 || l.Points() != 10 {
		t.Errorf("defaults: %+v", l)
	}
	c := l.Step("one").Check("there")
	if c == nil {
		t.Fatal("the check isn't there")
	}
	if o, ok := c.Kind.(*check.Object); !ok || o.Kind != "Pod" {
		t.Errorf("check: %+v", c.Kind)
	}
}

// TestMistakes changes the good lab in one place each and wants the mistake
// named, at its line.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"unknown field", "minutes: 5", "minuts: 5", `demo/lab.yaml:4:1: unknown field "minuts" (did you mean "minutes"?)`},
		{"unknown nested field", "object: {kind: Pod, name:", "object: {kind: Pod, nam:", `demo/lab.yaml:17:29: unknown field "nam" (did you mean "name"?)`},
		{"no check of that kind", "list: {kind: Pod}\n        expr", "lst: {kind: Pod}\n        expr", `unknown field "lst" (did you mean "list"?)`},
		{"wrong type", "minutes: 5", "minutes: five", `demo/lab.yaml:4:10: want a whole number, found "five"`},
		{"list for a map", "vars:\n  color: {pick: [red, blue]}", "vars: [color]", "want names with values, found a list"},
		{"twice", "level: 1", "level: 1\nlevel: 2", `field "level" is there twice`},
		{"bad expression", `object.status.phase == "Running"`, `objekt.status.phase == "Running"`, "demo/lab.yaml:18:15: in the expression: undeclared reference to 'objekt'"},
		{"no condition", "expr: size(items) > seen.n", "expr: size(items)", "must be true or false"},
		{"wrong variable for the kind", "expr: size(items) > seen.n", "expr: size(object) > 0", "undeclared reference to 'object'"},
		{"undeclared variable", "web-{{vars.color}}", "web-{{vars.colour}}", `vars.colour is not declared (did you mean "color"?)`},
		{"not remembered", "seen.n", "seen.m", `the step "one" doesn't remember it`},
		{"undeclared in what is remembered", "list: {kind: Pod}, expr: size(items)}", "list: {kind: Pod, selector: 'app={{vars.colr}}'}, expr: size(items)}", "vars.colr is not declared"},
		{"one language", "{en: a demo, ko: 데모입니다}", "{en: a demo}", "the Korean text (ko) is missing"},
		{"bad template", `"it is {{object.status.phase}}"`, `"it is {{object.status.phase"`, "{{ without }}"},
		{"unknown step of a way", "step: one, trips: there", "step: on, trips: there", `there is no step "on" (did you mean "one"?)`},
		{"unknown check of a way", "trips: there", "trips: their", `step "one" has no check "their" (did you mean "there"?)`},
		{"missing script", "wrong/a.sh", "wrong/c.sh", "the file demo/wrong/c.sh is missing"},
		{"two kinds", "list: {kind: Pod}\n        expr", "list: {kind: Pod}\n        log: {pod: x}\n        expr", "want exactly one of"},
		{"two steps", "wrong:\n", "  - id: one\n    checks: [{id: x, list: {kind: Pod}, expr: 'true'}]\nwrong:\n", `two steps have the id "one"`},
		{"no checks", "steps:\n", "steps:\n  - id: none\n", `step "none" has no checks`},
		{"not in words", "        expect: {en: more pods, ko: 파드가 더 많음}\n", "", `check "more": expect is missing`},
		{"why not in words", "        explain: {en: no more than before, ko: 전보다 많지 않습니다}\n", "", `check "more": explain is missing`},
		{"fact not in words", "        fact: {en: more than before, ko: 전보다 많습니다}\n", "", `check "more": fact is missing`},
		{"in one language", "expect: {en: more pods, ko: 파드가 더 많음}", "expect: {en: more pods}", "the Korean text (ko) is missing"},
		{"level", "level: 1", "level: 7", "level: want 1"},
		{"range", "{pick: [red, blue]}", "{min: 5, max: 5}", "min must be below max"},
		{"hold", "id: one\n", "id: one\n    hold: untill-end\n", `want once or until-end, found "untill-end" (did you mean "until-end"?)`},
		{"duration", "id: one\n", "id: one\n    limit: 90\n", "want a time such as"},
		{"port", "list: {kind: Pod}\n        expr: size(items) > seen.n", "http: {node: any, port: 70000}\n        expr: status == seen.n", "port: want 1 to 65535, found 70000"},
		{"port expression", "list: {kind: Pod}\n        expr: size(items) > seen.n", "http: {node: any, port: prt}\n        expr: status == seen.n", "undeclared reference to 'prt'"},
		{"port variable", "list: {kind: Pod}\n        expr: size(items) > seen.n", "http: {node: any, port: int(vars.prt)}\n        expr: status == seen.n", "vars.prt is not declared"},
		{"two targets", "list: {kind: Pod}\n        expr: size(items) > seen.n", "http: {pod: a, nodePort: {service: b}}\n        expr: status == seen.n", "want exactly one of url, node, nodePort"},
		{"one answer, not several", "list: {kind: Pod}\n        expr: size(items) > seen.n", "http: {nodePort: {service: b}}\n        expr: size(answers) > seen.n", "undeclared reference to 'answers'"},
		{"several, not one", "list: {kind: Pod}\n        expr: size(items) > seen.n", "http: {nodePort: {service: b}, node: all}\n        expr: status > seen.n", "undeclared reference to 'status'"},
		{"host through the API", "list: {kind: Pod}\n        expr: size(items) > seen.n", "http: {service: a, port: 80, host: x}\n        expr: status > seen.n", "takes neither scheme nor host"},
		{"ca without https", "list: {kind: Pod}\n        expr: size(items) > seen.n", "http: {nodePort: {service: b}, insecure: true}\n        expr: status > seen.n", "ca and insecure are for https"},
		{"dns type", "list: {kind: Pod}\n        expr: size(items) > seen.n", "dns: {name: web, type: MX}\n        expr: size(addresses) > seen.n", "want A, AAAA or SRV"},
		{"dns from the host", "list: {kind: Pod}\n        expr: size(items) > seen.n", "dns: {name: web, from: host}\n        expr: size(addresses) > seen.n", "the host doesn't use the cluster's DNS"},
		{"two acts", "list: {kind: Pod}\n        expr: size(items) > seen.n", "triggered: {delete: {kind: Pod, name: x}, scale: {kind: ReplicaSet, name: w, replicas: 1}, then: {list: {kind: Pod}, expr: 'true'}}", "needs exactly one act"},
		{"unknown power", "list: {kind: Pod}\n        expr: size(items) > seen.n", "triggered: {node: {on: x, power: down}, then: {list: {kind: Pod}, expr: 'true'}}", "power: want off"},
		{"setup condition", "steps:\n", "setup:\n  - {if: vars.colr == \"red\", node: {on: all, run: 'true'}}\nsteps:\n", "vars.colr is not declared"},
		{"setup command", "steps:\n", "setup:\n  - {node: {on: all, run: 'echo {{vars.colr}}'}}\nsteps:\n", "vars.colr is not declared"},
		{"not YAML", "id: demo", "id: [demo", "this is not YAML"},
		{"alias", "minutes: 5", "minutes: &m 5\nneeds: *m", "aliases"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(goodLab, c.from) {
				t.Fatalf("the good lab has no %q", c.from)
			}
			_, err := Load(tree(strings.Replace(goodLab, c.from, c.to, 1), goodText, goodText), "demo")
			var p problem.List
			if !errors.As(err, &p) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got:\n%v\nwant something with:\n%s", err, c.want)
			}
		})
	}
}

func TestBlockExpressionPlace(t *testing.T) {
	lab := strings.Replace(goodLab, `expr: object.status.phase == "Running"`, "expr: |\n          true &&\n          objekt == 1", 1)
	_, err := Load(tree(lab, goodText, goodText), "demo")
	if err == nil || !strings.Contains(err.Error(), "demo/lab.yaml:20: in the expression: undeclared reference to 'objekt'") {
		t.Fatalf("got %v", err)
	}
}

func TestTextMistakes(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"missing section", "## End {#end}\nbye\n", "", "demo/ko.md: the section {#end} is missing"},
		{"misspelt section", "{#one}", "{#on}", `demo/ko.md:3: there is no step "on" (did you mean "one"?)`},
		{"missing hint", "### hint\nb\n", "", "has 1 hints that cost points, want 2"},
		{"missing computed hint", "### hint empty\nc\n", "", "`### hint empty` is missing"},
		{"stray computed hint", "### hint empty", "### hint full", `no ` + "`when`" + ` shows the hint "full"`},
		{"no id", "## One {#one}", "## One", "want a heading with the step's id"},
		{"variable", "do it", "do {{vars.colr}}", "vars.colr is not declared"},
		{"expression", "do it", "x\ny {{oops}}", "demo/ko.md:5: undeclared reference to 'oops'"},
		{"wide code", "do it", "```\n" + strings.Repeat("가", 29) + "\n```", "58 columns wide"},
		{"open code", "bye", "```\nbye", "is never closed"},
		{"empty section", "do it\n", "", "the section {#one} is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(tree(goodLab, goodText, strings.Replace(goodText, c.from, c.to, 1)), "demo")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got:\n%v\nwant something with:\n%s", err, c.want)
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	lab := strings.NewReplacer("minutes: 5", "minuts: 5", "level: 1", "levle: 1").Replace(goodLab)
	_, err := Load(tree(lab, goodText, goodText), "demo")
	var p problem.List
	if !errors.As(err, &p) || len(p) != 2 {
		t.Fatalf("want two problems, got %v", err)
	}
}

func TestNeedsUnknownLab(t *testing.T) {
	lab := strings.Replace(goodLab, "level: 1", "level: 1\nneeds: [dmo]", 1)
	_, err := LoadAll(tree(lab, goodText, goodText))
	if err == nil || !strings.Contains(err.Error(), `there is no lab "dmo" (did you mean "demo"?)`) {
		t.Fatalf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(goodLab))
	f.Add([]byte("steps: [{checks: [{triggered: {then: {triggered: {}}}}]}]"))
	f.Add([]byte("vars: {a: {}}\nsetup: [{wait: {}}, {node: {}}]"))
	f.Add([]byte("a: &a [*a]"))
	if data, err := os.ReadFile(filepath.Join("..", "content", "01-pods", "lab.yaml")); err == nil {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<14 {
			return
		}
		lab, problems := Parse("lab.yaml", data)
		if lab == nil && len(problems) == 0 {
			t.Fatal("neither a lab nor a reason")
		}
	})
}

func FuzzProse(f *testing.F) {
	f.Add(goodText)
	f.Add("### hint\n## x {#x}\n```\n{{")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<12 {
			return
		}
		if p, _ := ParseProse("en.md", text); p.Intro == nil && len(p.Sections) == 0 {
			t.Fatal("a text without anything")
		}
	})
}
