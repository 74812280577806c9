package check_test

import (
	"context"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/labtest"
)

// quota makes a ResourceQuota; amounts are given as RESOURCE=HARD/USED, or
// without USED where the quota controller hasn't counted yet.
func quota(name string, amounts ...string) *unstructured.Unstructured {
	hard, used := map[string]any{}, map[string]any{}
	for _, a := range amounts {
		resource, numbers, _ := strings.Cut(a, "=")
		limit, use, counted := strings.Cut(numbers, "/")
		if hard[resource] = limit; counted {
			used[resource] = use
		}
	}
	return labtest.Object("v1", "ResourceQuota", ns, name, map[string]any{
		"spec": map[string]any{"hard": hard}, "status": map[string]any{"hard": hard, "used": used}})
}

func limitRange(name string, limits ...any) *unstructured.Unstructured {
	return labtest.Object("v1", "LimitRange", ns, name, map[string]any{"spec": map[string]any{"limits": limits}})
}

func TestQuota(t *testing.T) {
	team := quota("team", "pods=4/3", "requests.cpu=2/700m", "requests.memory=1Gi/512Mi", "count/jobs.batch=5")
	red := quota("red", "pods=3/3", "requests.cpu=4/3")
	lowered := quota("lowered", "pods=1/3")
	broken := quota("broken", "pods=many/3")
	container := map[string]any{"type": "Container", "default": map[string]any{"memory": "1Ki", "cpu": "250m"},
		"defaultRequest": map[string]any{"cpu": "100m"}}
	other := map[string]any{"type": "Container", "default": map[string]any{"memory": "2Ki"}}
	pods := map[string]any{"type": "Pod", "default": map[string]any{"memory": "1Gi"}}
	type world = []*unstructured.Unstructured
	for _, c := range []struct {
		name  string
		world world
		quota string
		expr  string
		want  check.State
		says  string
	}{
		{"limits", world{team}, "{name: team}", `hard.pods == 4 && hard["requests.cpu"] == 2.0 && hard["requests.memory"] == 1024 * 1024 * 1024`, check.Holds, ""},
		{"used", world{team}, "{name: team}", `used.pods == 3 && used["requests.cpu"] == 0.7 && used["requests.memory"] == 536870912`, check.Holds, ""},
		{"left", world{team}, "{name: team}", `left.pods == 1 && left["requests.cpu"] == 1.3 && left.pods + 1.0 == 2.0`, check.Holds, ""},
		{"not counted yet", world{team}, "{name: team}", `hard["count/jobs.batch"] == 5 && !("count/jobs.batch" in used) && !("count/jobs.batch" in left)`, check.Holds, ""},
		{"by a variable", world{team, red}, "{name: '{{vars.color}}'}", `hard.pods == 3`, check.Holds, ""},
		{"without a name", world{team}, "{}", `hard.pods == 4 && left.pods == 1`, check.Holds, ""},
		{"several", world{team, red}, "{}", `hard.pods == 3 && hard["requests.cpu"] == 2 && used["requests.cpu"] == 3 && left["requests.cpu"] == 1 && left.pods == 0`, check.Holds, ""},
		{"lowered", world{lowered}, "{}", `left.pods == -2`, check.Holds, ""},
		{"no defaults", world{team}, "{}", `size(defaults.requests) == 0 && size(defaults.limits) == 0`, check.Holds, ""},
		{"defaults", world{team, limitRange("a", pods, container), limitRange("b", other)}, "{}", `defaults.requests.cpu == 0.1 && defaults.limits.cpu == 0.25 && defaults.limits.memory == 1024`, check.Holds, ""},
		{"too much", world{team}, "{name: team}", `used.pods <= 2`, check.Fails, "used.pods = 3"},
		{"too many bytes", world{team}, "{name: team}", `hard["requests.memory"] < 1024`, check.Fails, `hard["requests.memory"] = 1073741824`},
		{"a resource it doesn't limit", world{team}, "{name: team}", `left.services == 0`, check.Fails, "services"},
		{"none of that name", world{team}, "{name: red}", `hard.pods == 4`, check.Fails, "there is no resourcequota named red in namespace lab"},
		{"none at all", nil, "{}", `hard.pods == 4`, check.Fails, "there is no resourcequota in namespace lab"},
		{"no number", world{broken}, "{}", `hard.pods == 4`, check.Unknown, `"many"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := labtest.NewWorld(t.TempDir(), c.world...)
			r := w.Run(context.Background(), scope(nil), parse(t, "id: a\nquota: "+c.quota+"\nexpr: '"+c.expr+"'"))
			if r.State != c.want || !strings.Contains(r.Actual, c.says) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestQuotaThatIsAbsentInKorean(t *testing.T) {
	lang.Set(lang.Korean)
	defer lang.Set(lang.English)
	for text, want := range map[string]string{
		"{name: red}": "네임스페이스 lab에 이름이 red인 리소스쿼터가 없습니다",
		"{}":          "네임스페이스 lab에 리소스쿼터가 없습니다",
	} {
		r := labtest.NewWorld(t.TempDir()).Run(context.Background(), scope(nil), parse(t, "id: a\nquota: "+text+"\nexpr: hard.pods == 4"))
		if r.State != check.Fails || r.Actual != want {
			t.Errorf("%s: %+v", text, r)
		}
	}
}

func TestQuotaMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"{quota: {nam: x}, expr: hard.pods == 4}":                `unknown field "nam" (did you mean "name"?)`,
		"{quota: team, expr: hard.pods == 4}":                    `want fields (name), found "team"`,
		"{quota: {name: '{{vars.colr}}'}, expr: hard.pods == 4}": "vars.colr is not declared",
		"{quota: {}}": "expr is missing",
		"{quota: {}, expr: object.spec.hard.pods == 4}":                               "undeclared reference to 'object'",
		"{quota: {}, object: {kind: Pod, name: x}, expr: 'true'}":                     "found 2",
		"{quota: {}, expr: hard.pods}":                                                "",
		"{quota: {}, expr: 'true', fact: {en: '{{left.pods}}', ko: '{{used.pods}}'}}": "",
	} {
		_, problems := format.Parse("lab.yaml", []byte("id: x\ntitle: {en: a, ko: a}\nsummary: {en: a, ko: a}\nminutes: 1\nlevel: 1\ntestbed: any\n"+
			"vars: {color: {pick: [red]}}\nsteps: [{id: s, checks: [{id: a, "+text[1:]+"]}]"))
		if got := problems.Error(); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestQuotaIsWatched(t *testing.T) {
	objects, live := parse(t, "id: a\nquota: {}\nexpr: left.pods == 0").Watches()
	if !live || len(objects) != 2 || objects[0].Kind != "ResourceQuota" || objects[1].Kind != "LimitRange" {
		t.Errorf("watches %+v, live %v", objects, live)
	}
}
