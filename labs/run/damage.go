package run

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
)

// A learner who took away more than the step asked for sees red lines that say nothing of
// it: a taint, a label of a node, a node selector. So each step notes such facts when it
// is opened, as "KIND WHERE WHAT" with a value, and what is gone or another one since is
// said, with the command that puts it back.

// keptFact is a kind of such facts.
type keptFact struct {
	kind string
	// say tells of one that is gone, or has another value now.
	say func(where, what, before string) lang.Text
}

var keptFacts = []keptFact{
	{"taint", func(where, what, before string) lang.Text {
		key, effect, _ := strings.Cut(what, ":")
		taint := key + "=" + before + ":" + effect
		return lang.Textf("the taint %[1]s of %[2]s is gone; it was there when this step began. To put it back: `kubectl taint node %[2]s %[1]s`",
			"%[2]s 노드에 있던 테인트가 이 단계를 시작한 뒤로 없어졌습니다: %[1]s. 되돌리려면: `kubectl taint node %[2]s %[1]s`", taint, where)
	}},
	{"label", func(where, what, before string) lang.Text {
		return lang.Textf("%[1]s had the label %[2]s when this step began. To put it back: `kubectl label node %[1]s %[2]s --overwrite`",
			"이 단계를 시작할 때 %[1]s에는 레이블(%[2]s)이 있었습니다. 되돌리려면: `kubectl label node %[1]s %[2]s --overwrite`", where, what+"="+before)
	}},
	{"schedulable", func(where, _, _ string) lang.Text {
		return lang.Textf("%[1]s takes no new pods any more. To let it: `kubectl uncordon %[1]s`",
			"이제 %[1]s에는 새 파드가 배정되지 않습니다. 다시 배정되게 하려면: `kubectl uncordon %[1]s`", where)
	}},
	{changeable, func(where, what, before string) lang.Text {
		return lang.Textf("%[1]s asked for nodes with %[2]s when this step began. To go back to the template before: `kubectl rollout undo %[1]s`",
			"이 단계를 시작할 때 %[1]s의 템플릿은 %[2]s인 노드를 요구했습니다. 이전 템플릿으로 돌아가려면: `kubectl rollout undo %[1]s`", where, what+"="+before)
	}},
}

// facts are those that are so now.
func (s *Session) facts(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	nodes, err := s.Cluster.List(ctx, "Node", "v1", "", "")
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		nodeFacts(&nodes[i], out)
	}
	for _, kind := range []string{"Deployment", "DaemonSet"} {
		objects, err := s.Cluster.List(ctx, kind, "apps/v1", s.Namespace, "")
		if err != nil {
			continue // a cluster without this kind has none
		}
		for i := range objects {
			where := strings.ToLower(kind) + "/" + objects[i].GetName()
			out["there "+where+" -"] = "yes"
			// What isn't there, or is no map of strings, is none.
			selector, _, _ := unstructured.NestedStringMap(objects[i].Object, "spec", "template", "spec", "nodeSelector")
			for key, value := range selector {
				out["selector "+where+" "+key] = value
			}
		}
	}
	return out, nil
}

func nodeFacts(node *unstructured.Unstructured, out map[string]string) {
	name := node.GetName()
	for key, value := range node.GetLabels() {
		out["label "+name+" "+key] = value
	}
	// A node that has no such field has none of them.
	taints, _, _ := unstructured.NestedSlice(node.Object, "spec", "taints")
	for _, t := range taints {
		m, _ := t.(map[string]any)
		key, _ := m["key"].(string)
		value, _ := m["value"].(string)
		effect, _ := m["effect"].(string)
		if strings.HasPrefix(key, "node.kubernetes.io/") {
			continue // these come and go by themselves
		}
		out["taint "+name+" "+key+":"+effect] = value
	}
	if off, _, _ := unstructured.NestedBool(node.Object, "spec", "unschedulable"); !off {
		out["schedulable "+name+" -"] = "yes"
	}
}

// noteFacts notes, once, what is so when a step is opened. Where nodes may not be listed, as
// on somebody else's cluster, a step is graded all the same, and a hint is missing.
func (s *Session) noteFacts(ctx context.Context, st *progress.Step, id string) error {
	if st.Before != nil {
		return nil
	}
	facts, err := s.facts(ctx)
	if err != nil {
		return ctx.Err()
	}
	return s.update(func(l *progress.Lab) error {
		l.StepState(id).Before = facts
		return nil
	})
}

// changeable is the kind that may come to another value: a step may ask for just that, as
// where a Deployment moves to another node, by this label or by another. That no selector is
// left was asked by none.
const changeable = "selector"

// damages says what is gone since the step was opened: of objects that are still there.
func damages(before, now map[string]string) []string {
	there, choosing := map[string]bool{}, map[string]bool{}
	for fact := range now {
		parts := strings.Fields(fact)
		there[parts[1]] = true
		choosing[parts[1]] = choosing[parts[1]] || parts[0] == changeable
	}
	var out []string
	for _, fact := range slices.Sorted(maps.Keys(before)) {
		parts := strings.Fields(fact)
		got, ok := now[fact]
		if ok && (got == before[fact] || parts[0] == changeable) || !there[parts[1]] || parts[0] == changeable && choosing[parts[1]] {
			continue
		}
		at := slices.IndexFunc(keptFacts, func(k keptFact) bool { return k.kind == parts[0] })
		if at >= 0 { // that something is there is no loss, and what a later version noted is nothing to us
			out = append(out, keptFacts[at].say(parts[1], parts[2], before[fact]).String())
		}
	}
	return out
}

// strayKinds are looked for in the namespace default, where kubectl works that was not
// pointed at the lab.
var strayKinds = []struct{ kind, version string }{
	{"Pod", "v1"}, {"Service", "v1"}, {"Secret", "v1"}, {"ConfigMap", "v1"}, {"Deployment", "apps/v1"}, {"ReplicaSet", "apps/v1"},
	{"DaemonSet", "apps/v1"}, {"Ingress", "networking.k8s.io/v1"},
}

// strays are what was made in the namespace default since the step was opened, by a person.
func (s *Session) strays(ctx context.Context, opened time.Time) []string {
	var out []string
	for _, k := range strayKinds {
		objects, err := s.Cluster.List(ctx, k.kind, k.version, "default", "")
		if err != nil {
			continue // a cluster without this kind has none
		}
		for i := range objects {
			o := &objects[i]
			if len(o.GetOwnerReferences()) > 0 || !o.GetCreationTimestamp().After(opened) {
				continue
			}
			what := strings.ToLower(k.kind) + " " + o.GetName()
			out = append(out, lang.Textf("%[1]s was made in the namespace default; this lab looks at %[2]s. Make it again with `-n %[2]s`, and remove that one: `kubectl delete %[1]s -n default`",
				"네임스페이스 default에 오브젝트가 만들어졌습니다(%[1]s). 이 실습은 %[2]s에서 확인합니다. `-n %[2]s`를 붙여 다시 만들고, 그것은 지우세요: `kubectl delete %[1]s -n default`",
				what, s.Namespace).String())
		}
	}
	return out
}

// damage is what the learner took away, or made elsewhere, since the step was opened.
func (s *Session) damage(ctx context.Context, step *format.Step) ([]string, error) {
	state, err := s.State()
	if err != nil {
		return nil, err
	}
	st := state.StepState(step.ID)
	if st.Before == nil {
		return nil, nil
	}
	now, err := s.facts(ctx)
	if err != nil {
		return nil, err
	}
	return append(damages(st.Before, now), s.strays(ctx, st.Opened)...), nil
}

// Looking for damage is many lists: it is done when something has changed that it looks
// at, but not more often than damageBeat, and now and then in case a watch was lost.
const (
	damageBeat = time.Second
	damageSlow = time.Minute
)

// lookForDamage keeps what damage finds, if it is time to look.
func (g *grader) lookForDamage(ctx context.Context) {
	since := time.Since(g.damageAt)
	if since < damageBeat || since < damageSlow && !g.stirred.take() {
		return
	}
	if found, err := g.s.damage(ctx, g.step); err == nil {
		g.damageAt, g.damaged = time.Now(), found
	}
}
