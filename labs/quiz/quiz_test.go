package quiz

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mattn/go-runewidth"

	"noriter.dev/noriter/internal/problem"
)

// TestContent holds the built-in quizzes to what was promised of them.
func TestContent(t *testing.T) {
	for _, p := range Lint(Content()) {
		t.Error(p)
	}
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, z := range all {
		computed, ofKind := 0, map[string]int{}
		for i := range z.Questions {
			q := &z.Questions[i]
			ofKind[q.Kind]++
			if q.Computed() {
				computed++
			}
			fits(t, z, q)
		}
		if len(z.Questions) < 6 || computed < 3 {
			t.Errorf("%s: %d questions, %d computed: want 6 and 3", z.Topic, len(z.Questions), computed)
		}
		for _, k := range kinds {
			if ofKind[k] == 0 {
				t.Errorf("%s: no question of the kind %s", z.Topic, k)
			}
		}
	}
}

// fits holds options and commands to what a terminal of 60 columns shows on
// one line: survey wraps nothing, and a command must be copied whole.
func fits(t *testing.T, z *Quiz, q *Question) {
	t.Helper()
	width := runewidth.StringWidth
	if see := strings.ReplaceAll(q.See, "{{ns}}", z.Namespace()); width(see) > 56 {
		t.Errorf("%s/%s: the command is %d columns wide: %s", z.Topic, q.ID, width(see), see)
	}
	if q.Kind != Choice && q.Kind != Multi {
		return
	}
	for _, v := range append(append([]Value{}, q.Right...), q.Wrong...) {
		if v.Text == nil {
			continue
		}
		for _, text := range []string{v.Text.Text.EN, v.Text.Text.KO} {
			if width(text) > 52 {
				t.Errorf("%s/%s: the option is %d columns wide: %s", z.Topic, q.ID, width(text), text)
			}
		}
	}
}

func TestTopicsAreInTheOrderOfTheLabs(t *testing.T) {
	fsys := fstest.MapFS{"zebra/quiz.yaml": {}, "replicasets/quiz.yaml": {}, "pods/quiz.yaml": {}, "empty/x": {}, "quiz.yaml": {}}
	if got := topics(fsys); !slices.Equal(got, []string{"pods", "replicasets", "zebra"}) {
		t.Errorf("got %v", got)
	}
}

// TestMistakes breaks the demo in one place each.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown field", "    see: kubectl get pod p -n {{ns}}\n", "    sea: x\n", `demo/quiz.yaml:19:5: unknown field "sea" (did you mean "see"?)`},
		{"no Korean", "title: {en: Demo, ko: 연습}", "title: {en: Demo}", "the Korean text (ko) is missing"},
		{"kind", "kind: choice", "kind: choise", `"choise" is no kind of question (did you mean "choice"?)`},
		{"misspelt object", "nodes.map(n,", "nods.map(n,", "undeclared reference to 'nods'"},
		{"misspelt variable", "({{vars.word}})\", ko", "({{vars.wrd}})\", ko", `vars.wrd is not declared (did you mean "word"?)`},
		{"no why", ", why: {en: it runs, ko: 실행 중입니다}", "", "every wrong answer is explained"},
		{"why for a right one", "{en: volumes, ko: 볼륨}", "{en: volumes, ko: 볼륨}\n        why: {en: a, ko: b}", "why belongs to wrong answers"},
		{"two right ones", "      - expr: pods[0].spec.nodeName\n", "      - expr: pods[0].spec.nodeName\n      - text: {en: a, ko: b}\n", "a choice has one right answer"},
		{"no right one", "    right: [{expr: size(pods)}]\n", "", "right is missing"},
		{"no wrong one", "    wrong: [{expr: \"0\", why: {en: there is one, ko: 하나 있습니다}}]\n", "", "wrong is missing"},
		{"no explanation", "    explain: {en: count them, ko: 세어 보세요}\n", "", "explain is missing"},
		{"no proof", "    proof: echo node1\n", "", "needs see"},
		{"twice the same option", "{en: volumes, ko: 볼륨}", "{en: the address, ko: 볼륨}", `"the address" is there twice`},
		{"text and expr", "[{expr: size(pods)}]", "[{expr: size(pods), text: {en: a, ko: b}}]", "either text or expr"},
		{"twice the same id", "id: shared", "id: node", `two questions have the id "node"`},
		{"condition", "size(nodes) > 5", "size(nodes)", "must be true or false"},
		{"taken name", "nodes: {kind: Node}", "pods: {kind: Node}", `"pods" is taken`},
		{"another folder", "topic: demo", "topic: other", `is "other", but the folder is "demo"`},
		{"template", "kubectl get pods -n {{ns}}", "kubectl get pods -n {{ns", "{{ without }}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := demoFS()
			text := strings.Replace(demo, c.old, c.new, 1)
			if text == demo {
				t.Fatalf("%q is not in the demo", c.old)
			}
			files["demo/quiz.yaml"] = &fstest.MapFile{Data: []byte(text)}
			problems := problem.List(Lint(files))
			if len(problems) == 0 || !strings.Contains(problems.Error(), c.want) {
				t.Errorf("got %v, want %s", problems, c.want)
			}
		})
	}
	files := demoFS()
	if problems := Lint(files); len(problems) > 0 {
		t.Errorf("the demo itself: %v", problems)
	}
	files["demo/world.yaml"] = &fstest.MapFile{Data: []byte("a: {{vars.wrod}}")}
	if got := problem.List(Lint(files)).Error(); !strings.Contains(got, "demo/world.yaml: vars.wrod is not declared") {
		t.Errorf("got %s", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(demo))
	f.Add([]byte("topic: a\nquestions: [{id: x, kind: text, right: [{}], wrong: [{expr: '1'}]}]"))
	f.Add([]byte("topic: {a: b}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		z, problems := Parse("quiz.yaml", data)
		if z == nil && len(problems) == 0 {
			t.Fatal("neither a quiz nor a mistake")
		}
	})
}
