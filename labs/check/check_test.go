package check_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/content"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/labtest"
)

const ns = "lab"

var loaded = sync.OnceValues(func() ([]*format.Lab, error) { return format.LoadAll(content.FS) })

// contentLab loads one of the real labs.
func contentLab(t *testing.T, id string) *format.Lab {
	t.Helper()
	all, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		if l.ID == id {
			return l
		}
	}
	t.Fatalf("there is no lab %s", id)
	return nil
}

func scope(seen map[string]any) *check.Scope {
	return &check.Scope{Namespace: ns, Vars: map[string]string{"color": "red", "word": "maple", "count": "4"}, Seen: seen}
}

func pod(name string, labels ...string) *unstructured.Unstructured {
	return labtest.Pod(ns, name, labels...)
}

func annotated(kv ...string) *unstructured.Unstructured {
	p := pod("hello")
	set := map[string]string{}
	for i := 0; i+1 < len(kv); i += 2 {
		set[kv[i]] = kv[i+1]
	}
	p.SetAnnotations(set)
	return p
}

func replicaSet(name string, wanted, ready int64) *unstructured.Unstructured {
	rs := labtest.Object("apps/v1", "ReplicaSet", ns, name, map[string]any{
		"spec": map[string]any{"replicas": wanted, "template": map[string]any{"spec": map[string]any{
			"containers": []any{map[string]any{"name": "web", "image": "noriter/hello:v1"}}}}},
		"status": map[string]any{"replicas": wanted},
	})
	rs.SetUID("uid-rs")
	if ready > 0 {
		labtest.With(rs, "status.readyReplicas", ready)
	}
	return rs
}

func ownedPods(owner string, names ...string) (out []*unstructured.Unstructured) {
	for _, n := range names {
		out = append(out, labtest.Owned(pod(n, "app=web"), "ReplicaSet", owner))
	}
	return out
}

// madeBy is the event of a ReplicaSet that made a pod.
func madeBy(owner, pod string) *unstructured.Unstructured {
	uid := ownedPods(owner, pod)[0].GetOwnerReferences()[0].UID
	return labtest.Object("v1", "Event", ns, owner+"-"+pod, map[string]any{"reason": "SuccessfulCreate",
		"lastTimestamp": time.Now().UTC().Format(time.RFC3339), "message": "Created pod: " + pod,
		"involvedObject": map[string]any{"kind": "ReplicaSet", "name": owner, "namespace": ns, "uid": string(uid)}})
}

func all(rest []*unstructured.Unstructured, more ...*unstructured.Unstructured) []*unstructured.Unstructured {
	return append(rest, more...)
}

// changed is an object whose spec was changed last at a time; "scale" is a change that the
// API server notes without its time, and without any nothing tells.
func changed(o *unstructured.Unstructured, generation int64, at string) *unstructured.Unstructured {
	labtest.With(o, "metadata.generation", generation)
	if at == "" {
		return o
	}
	entry := map[string]any{"manager": "kubectl", "operation": "Update", "fieldsV1": map[string]any{"f:spec": map[string]any{}}}
	if at == "scale" {
		entry["subresource"] = "scale"
	} else {
		entry["time"] = "2026-01-01T" + at + "Z"
	}
	return labtest.With(o, "metadata.managedFields", []any{entry})
}

// ended is the pod hello with a container that ran from 10:00 to 10:05.
func ended() *unstructured.Unstructured {
	return labtest.With(pod("hello"), "status.containerStatuses", []any{map[string]any{"name": "hello", "ready": true, "restartCount": int64(1),
		"lastState": map[string]any{"terminated": map[string]any{"exitCode": int64(0), "startedAt": "2026-01-01T10:00:00Z", "finishedAt": "2026-01-01T10:05:00Z"}}}})
}

// set is the ReplicaSet web, and one pod that it made at 10:00.
func set(generation int64, at string) []*unstructured.Unstructured {
	made := labtest.With(ownedPods("web", "web-9")[0], "metadata.creationTimestamp", "2026-01-01T10:00:00Z")
	return all([]*unstructured.Unstructured{made}, changed(labtest.Object("apps/v1", "ReplicaSet", ns, "web", map[string]any{}), generation, at))
}

// kept are the pods of a Deployment, and its ReplicaSet.
func kept(deployment string, pods ...string) (out []*unstructured.Unstructured) {
	rs := labtest.Owned(labtest.Object("apps/v1", "ReplicaSet", ns, deployment+"-1", map[string]any{}), "Deployment", deployment)
	rs.SetUID("uid-" + types.UID(deployment) + "-1")
	for _, name := range pods {
		out = append(out, labtest.Owned(pod(name, "app="+deployment), "ReplicaSet", deployment+"-1"))
	}
	return append(out, rs)
}

// made says when a pod was made and when it was ready, in seconds of a minute.
func made(p *unstructured.Unstructured, created, ready string, restarts int64) *unstructured.Unstructured {
	labtest.With(p, "metadata.creationTimestamp", "2026-01-01T00:00:"+created+"Z")
	labtest.With(p, "status.conditions", []any{map[string]any{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:" + ready + "Z"}})
	return labtest.With(p, "status.containerStatuses", []any{map[string]any{"name": "c", "restartCount": restarts}})
}

// slice makes an EndpointSlice of a Service; without endpoints it has null, as
// the API server gives it.
func slice(service string, endpoints ...any) *unstructured.Unstructured {
	if len(endpoints) == 1 && endpoints[0] == nil {
		endpoints = nil
	}
	s := labtest.Object("discovery.k8s.io/v1", "EndpointSlice", ns, service+"-x", map[string]any{"endpoints": nil})
	if endpoints != nil {
		s.Object["endpoints"] = endpoints
	}
	s.SetLabels(map[string]string{"kubernetes.io/service-name": service})
	return s
}

func endpoint(pod string) map[string]any {
	return map[string]any{"conditions": map[string]any{"ready": true}, "targetRef": map[string]any{"name": pod}}
}

// TestGradersOfTheLabs holds single checks of the real labs against worlds
// that are right, and against wrong ones that look right.
func TestGradersOfTheLabs(t *testing.T) {
	type world = []*unstructured.Unstructured
	notReady := labtest.With(pod("hello"), "status.conditions", []any{map[string]any{"type": "Ready", "status": "False"}})
	going := pod("web-1", "app=web")
	labtest.With(going, "metadata.deletionTimestamp", "2026-01-01T00:00:00Z")
	seen := map[string]any{"uids": []any{"uid-web-1", "uid-web-2", "uid-web-3"}, "uid": "uid-hello", "restarts": float64(0), "rs": "uid-rs", "generation": float64(1)}
	pages := func(versions ...string) map[string]check.Page {
		out := map[string]check.Page{}
		for i, v := range versions {
			out["web-"+string(rune('1'+i))] = check.Page{Code: 200, Body: "hello from x (version " + v + ")"}
		}
		return out
	}
	for _, c := range []struct {
		name, check string
		world       world
		pages       map[string]check.Page
		want        check.State
		says        string // in actual or why
	}{
		{"right", "pods/first/runs", world{pod("hello")}, nil, check.Holds, ""},
		{"not there", "pods/first/runs", world{pod("hallo")}, nil, check.Fails, "no pod named hello"},
		{"not ready", "pods/first/runs", world{notReady}, nil, check.Fails, "ready(object)"},
		{"answers", "pods/first/answers", world{pod("hello")}, map[string]check.Page{"hello": {Code: 200, Body: "hi"}}, check.Holds, ""},
		{"refuses", "pods/first/answers", world{pod("hello")}, nil, check.Fails, "502"},
		{"no annotation", "pods/look/ip", world{pod("hello")}, nil, check.Fails, "no annotation ip"},
		{"machine's address", "pods/look/ip", world{annotated("ip", "10.77.0.11")}, nil, check.Fails, "the address of the machine"},
		{"pod's address", "pods/look/ip", world{annotated("ip", "10.244.1.5")}, nil, check.Holds, ""},
		{"wrong node", "pods/look/node", world{annotated("node", "node2")}, nil, check.Fails, "not on node2"},
		{"exactly two", "pods/labels/selected", world{pod("hello", "team=red"), pod("duo", "team=red"), pod("teller")}, nil, check.Holds, ""},
		{"one too many", "pods/labels/selected", world{pod("hello", "team=red"), pod("duo", "team=red"), pod("teller", "team=red")}, nil, check.Fails, "teller"},
		{"none", "pods/labels/selected", world{pod("hello")}, nil, check.Fails, "nothing"},
		{"same pod, not restarted", "pods/restart/restarted", world{pod("hello")}, nil, check.Fails, "0"},
		{"new pod by the name", "pods/restart/same", world{labtest.With(pod("hello"), "metadata.uid", "other")}, nil, check.Fails, "UID"},
		{"three of three", "replicasets/create/replicaset", world{replicaSet("web", 3, 3)}, nil, check.Holds, ""},
		{"none ready: field is missing", "replicasets/create/replicaset", world{replicaSet("web", 3, 0)}, nil, check.Fails, "wanted 3, ready 0"},
		{"bare pods", "replicasets/create/pods", world{pod("web-1", "app=web"), pod("web-2", "app=web"), pod("web-3", "app=web")}, nil, check.Fails, "web-1"},
		{"owned pods", "replicasets/create/pods", ownedPods("web", "web-1", "web-2", "web-3"), nil, check.Holds, ""},
		{"another owner", "replicasets/create/pods", ownedPods("other", "web-1", "web-2", "web-3"), nil, check.Fails, ""},
		{"one answers badly", "replicasets/create/answers", ownedPods("web", "web-1", "web-2", "web-3"), pages("v1", "v1"), check.Fails, "web-3"},
		{"nothing replaced", "replicasets/heal/replaced", ownedPods("web", "web-1", "web-2", "web-3"), nil, check.Fails, "new:"},
		{"one replaced", "replicasets/heal/replaced", ownedPods("web", "web-1", "web-2", "web-4"), nil, check.Holds, ""},
		{"the old one still ending", "replicasets/heal/replaced", all(ownedPods("web", "web-2", "web-4"), going), nil, check.Fails, ""},
		{"all still owned", "replicasets/orphan/free", ownedPods("web", "web-1", "web-2"), nil, check.Fails, "free and ready: 0"},
		{"one let go", "replicasets/orphan/free", all(ownedPods("web", "web-2"), pod("web-1", "app=debug")), nil, check.Holds, ""},
		{"a new pod, not one of its own", "replicasets/orphan/free", all(ownedPods("web", "web-2"), pod("debug", "app=debug")), nil, check.Fails, ""},
		{"both versions", "replicasets/template/old", ownedPods("web", "web-1", "web-2"), pages("v1", "v2"), check.Holds, ""},
		{"all new", "replicasets/template/old", ownedPods("web", "web-1", "web-2"), pages("v2", "v2"), check.Fails, "none of the pods of before"},
		{"template untouched", "replicasets/template/template", world{replicaSet("web", 3, 3)}, nil, check.Fails, "noriter/hello:v1"},
		{"still there", "replicasets/cascade/deleted", world{replicaSet("web", 3, 3)}, nil, check.Fails, "still there"},
		{"gone", "replicasets/cascade/deleted", nil, nil, check.Holds, ""},
		{"survivors", "replicasets/cascade/survive", world{pod("web-1", "app=web"), pod("web-2", "app=web"), pod("web-3", "app=web")}, nil, check.Holds, ""},
		{"one died", "replicasets/cascade/survive", world{pod("web-1", "app=web"), pod("web-2", "app=web")}, nil, check.Fails, "2"},
		{"all died", "replicasets/cascade/survive", nil, nil, check.Fails, "0"},
		{"by itself", "pods/restart/by-itself", world{changed(ended(), 1, "09:00:00")}, nil, check.Holds, ""},
		{"a label, with all that was applied before", "pods/restart/by-itself", world{changed(ended(), 1, "10:04:59")}, nil, check.Holds, ""},
		{"another image", "pods/restart/by-itself", world{changed(ended(), 2, "10:04:59")}, nil, check.Fails, "changed at 2026-01-01T10:04:59Z"},
		{"another image, and killed later", "pods/restart/by-itself", world{changed(ended(), 2, "09:59:00")}, nil, check.Holds, ""},
		{"nothing left that tells", "pods/restart/by-itself", world{changed(ended(), 2, "")}, nil, check.Fails, "was changed,"},
		{"not scaled", "replicasets/heal/not-scaled", set(1, "10:00:00"), nil, check.Holds, ""},
		{"scaled", "replicasets/heal/not-scaled", set(3, "scale"), nil, check.Fails, "nori lab reset --step"},
		{"edited", "replicasets/heal/not-scaled", set(3, "10:00:00"), nil, check.Fails, "delete one of its pods"},
		{"edited, and one killed later", "replicasets/heal/not-scaled", set(3, "09:59:50"), nil, check.Holds, ""},
		{"adopted, none new", "replicasets/again/not-one-new", ownedPods("web", "web-1", "web-2"), nil, check.Holds, ""},
		{"one new", "replicasets/again/not-one-new", all(ownedPods("web", "web-1", "web-9"), madeBy("web", "web-9")), nil, check.Fails, "deleted them: web-9."},
		{"one made and gone", "replicasets/again/not-one-new", all(ownedPods("web", "web-1"), madeBy("web", "web-9")), nil, check.Fails, "deleted them: web-9."},
		{"made by the one before", "replicasets/again/not-one-new", all(ownedPods("web", "web-1"), labtest.With(madeBy("web", "web-1"), "involvedObject.uid", "another")), nil, check.Holds, ""},
		{"only inside", "nodeport/outside/type", world{service("web", map[string]any{"port": int64(80)})}, nil, check.Fails, "its type is ClusterIP"},
		{"a node port", "nodeport/outside/type", world{service("web", map[string]any{"port": int64(80), "nodePort": int64(30080)})}, nil, check.Holds, ""},
		{"headless", "nodeport/clusterip/service", world{labtest.With(service("web", map[string]any{"port": int64(80)}), "spec.clusterIP", "None")}, nil, check.Fails, "its address is None"},
		{"no endpoints", "nodeport/nobody/endpoints", world{slice("cart", nil)}, nil, check.Fails, "endpoints: none"},
		{"another pod's", "nodeport/nobody/endpoints", world{slice("cart", endpoint("impostor"))}, nil, check.Fails, "endpoints: impostor"},
		{"let go, with the name it had", "nodeport/nobody/endpoints", all(kept("cart", "cart-1-y"), slice("cart", endpoint("cart-1-x")), pod("cart-1-x", "app=carts")), nil, check.Fails, "nobody keeps: cart-1-x"},
		{"another Deployment's", "nodeport/nobody/endpoints", all(kept("menu", "menu-1-x"), slice("cart", endpoint("menu-1-x"))), nil, check.Fails, "endpoints: menu-1-x"},
		{"its own", "nodeport/nobody/endpoints", all(kept("cart", "cart-1-x"), slice("cart", endpoint("cart-1-x"))), nil, check.Holds, ""},
		{"its own", "ingress/closed/endpoints", all(kept("cart", "cart-1-x"), slice("checkout", endpoint("cart-1-x"))), nil, check.Holds, ""},
		{"a pod of the learner's", "nodeport/numbers/behind", all(kept("shop", "shop-1-x"), slice("shop", endpoint("mine")), pod("mine")), nil, check.Fails, "nobody keeps: mine"},
		{"one after another", "daemonsets/update/in-turn", world{made(pod("c-1", "app=collector"), "10", "12", 0), made(pod("c-2", "app=collector"), "13", "15", 0)}, nil, check.Holds, ""},
		{"at once", "daemonsets/update/in-turn", world{made(pod("c-1", "app=collector"), "10", "12", 0), made(pod("c-2", "app=collector"), "10", "11", 0)}, nil, check.Fails, "more than one node"},
		{"the second too soon", "daemonsets/update/in-turn", world{made(pod("c-1", "app=collector"), "10", "12", 0), made(pod("c-2", "app=collector"), "11", "13", 0)}, nil, check.Fails, ""},
		{"started again since", "daemonsets/update/in-turn", world{made(pod("c-1", "app=collector"), "10", "50", 1), made(pod("c-2", "app=collector"), "13", "15", 0)}, nil, check.Holds, ""},
		{"deleted, not relabelled", "pods/labels/untouched", world{pod("hello"), pod("duo")}, nil, check.Fails, "teller"},
		{"another image", "pods/first/image", world{labtest.With(pod("hello"), "spec.containers", []any{map[string]any{"name": "c", "image": "nginx:1.29"}})}, nil, check.Fails, "nginx:1.29"},
		{"two endpoints of three", "nodeport/clusterip/endpoints", world{slice("web", endpoint("web-1"), endpoint("web-2"))}, nil, check.Fails, "ready: web-1, web-2"},
		{"on one node", "nodeport/node/apart", world{pod("web-1", "app=web"), pod("web-2", "app=web")}, nil, check.Fails, "they are on: node1"},
		{"on two nodes", "nodeport/node/apart", world{pod("web-1", "app=web"), labtest.With(pod("web-2", "app=web"), "spec.nodeName", "node2")}, nil, check.Holds, ""},
		{"three, not two", "nodeport/node/two", ownedPods("web", "web-1", "web-2", "web-3"), nil, check.Fails, "web pods: 3"},
	} {
		t.Run(c.check+" "+c.name, func(t *testing.T) {
			parts := strings.Split(c.check, "/")
			ck := contentLab(t, parts[0]).Step(parts[1]).Check(parts[2])
			if ck == nil {
				t.Fatalf("there is no check %s", c.check)
			}
			for _, language := range []string{"en", "ko"} {
				lang.Set(language)
				w := labtest.NewWorld(t.TempDir(), c.world...)
				w.Pages = c.pages
				r := w.Run(context.Background(), scope(seen), ck)
				if r.State != c.want || (r.State == check.Holds) != (r.Fact != "") || r.Expected == "" || (r.State == check.Fails) != (r.Actual != "") {
					t.Errorf("%s: %+v", language, r)
				}
				if language == "en" && !strings.Contains(r.Actual+r.Why, c.says) {
					t.Errorf("does not say %q: %+v", c.says, r)
				}
				if strings.Contains(r.Expected+r.Why+r.Fact, "{{") {
					t.Errorf("a template is left: %+v", r)
				}
			}
			lang.Set("en")
		})
	}
}

// parse makes a check from YAML.
func parse(t *testing.T, text string) *check.Check {
	t.Helper()
	lab, problems := format.Parse("lab.yaml", []byte(`id: x
title: {en: a, ko: b}
summary: {en: a, ko: b}
minutes: 1
level: 1
vars: {color: {pick: [red]}, port: {min: 1, max: 65535}}
steps:
  - id: s
    checks:
      - `+strings.ReplaceAll(text, "\n", "\n        ")))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return &lab.Steps[0].Checks[0]
}

func TestKinds(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.log"), []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/red" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer server.Close()
	event := labtest.Object("v1", "Event", ns, "e1", map[string]any{"reason": "Killing", "lastTimestamp": time.Now().UTC().Format(time.RFC3339),
		"involvedObject": map[string]any{"kind": "Pod", "name": "p"}})
	old := labtest.Object("v1", "Event", ns, "e2", map[string]any{"reason": "Killing", "lastTimestamp": "2020-01-01T00:00:00Z",
		"involvedObject": map[string]any{"kind": "Pod", "name": "p"}})
	w := labtest.NewWorld(dir, pod("p", "app=p"), event, old)
	w.Nodes = &nodes{}
	for _, c := range []struct {
		text string
		want check.State
		says string
	}{
		{"id: a\nlog: {pod: p}\nexpr: lines == ['one', 'two'] && log.contains('one')", check.Holds, ""},
		{"id: a\nlog: {selector: app=p}\nexpr: size(lines) == 2", check.Holds, ""},
		{"id: a\nlog: {selector: app=q}\nexpr: size(lines) > 0", check.Fails, "no pod with the label app=q"},
		{"id: a\nlog: {pod: q}\nexpr: log == ''", check.Fails, "no pod named q"},
		{"id: a\nevent: {kind: Pod, name: p, reason: Killing, since: 1m}\nexpr: size(items) == 1", check.Holds, ""},
		{"id: a\nevent: {reason: Started}\nexpr: size(items) == 1", check.Fails, "size(items) = 0"},
		{"id: a\nnode: {on: node1, run: 'echo {{vars.color}}'}\nexpr: stdout == 'echo red on node1' && code == 0", check.Holds, ""},
		{"id: a\nhttp: {url: '" + server.URL + "/{{vars.color}}'}\nexpr: code == 200", check.Holds, ""},
		{"id: a\nhttp: {url: '" + server.URL + "/blue'}\nexpr: code == 200", check.Fails, "code = 418"},
		{"id: a\nhttp: {url: 'http://127.0.0.1:1/'}\nexpr: code == 200", check.Fails, "refused"},
		{"id: a\nhttp: {node: nowhere, port: 80}\nexpr: code == 200", check.Fails, "no node nowhere"},
		{"id: a\nhttp: {service: s, port: 80}\nexpr: code == 200", check.Fails, "no service named s"},
		{"id: a\nhttp: {selector: app=x, port: 80}\nexpr: size(pages) > 0", check.Fails, "no pod with the label app=x is ready"},
		{"id: a\nlist: {kind: Nonsense}\nexpr: size(items) > 0", check.Unknown, "finding the kind Nonsense"},
		{"id: a\nobject: {kind: Pod, name: p}\nexpr: object.status.phase + 1 == 2", check.Fails, ""},
	} {
		r := w.Run(context.Background(), scope(nil), parse(t, c.text))
		if r.State != c.want || !strings.Contains(r.Actual, c.says) {
			t.Errorf("%s: %+v", c.text, r)
		}
	}
}

func TestTriggered(t *testing.T) {
	heals := "id: a\ntriggered:\n  delete: {kind: Pod, selector: app=v}\n  within: 1s\n  then: {list: {kind: Pod, selector: app=v}, expr: \"size(items) == 2 && !items.exists(p, p.metadata.uid == before[0].metadata.uid)\"}"
	stays := "id: a\ntriggered:\n  delete: {kind: Pod, selector: app=v, pick: all}\n  stays: 400ms\n  then: {list: {kind: Pod, selector: app=v}, expr: size(items) == 0}"
	for _, c := range []struct {
		name, text string
		back       bool
		want       check.State
	}{
		{"comes back as it should", heals, true, check.Holds},
		{"doesn't come back", heals, false, check.Fails},
		{"stays gone as it should", stays, false, check.Holds},
		{"comes back although it shouldn't", stays, true, check.Fails},
	} {
		w := labtest.NewWorld(t.TempDir(), pod("v1", "app=v"), pod("v2", "app=v"), pod("other"))
		if c.back {
			w.OnDelete = func(_, name string) {
				p := pod(name+"-again", "app=v")
				w.Put(p)
			}
		}
		var said []string
		r := w.Trigger(context.Background(), scope(nil), parse(t, c.text), func(s string) { said = append(said, s) })
		if r.State != c.want || len(said) == 0 || r.ID != "a" {
			t.Errorf("%s: %+v, said %q", c.name, r, said)
		}
		if left, err := w.Get(context.Background(), "Pod", "v1", ns, "other"); err != nil || left == nil {
			t.Errorf("%s: another pod was hit: %v", c.name, err)
		}
	}
}

func TestTriggeredWithNothingToHit(t *testing.T) {
	defer lang.Set(lang.English)
	w := labtest.NewWorld(t.TempDir())
	for _, c := range []struct{ which, language, says string }{
		{"name: x", lang.English, "there is no pod x to try this on"},
		{"name: x", lang.Korean, "파드 x가 없어서 시험해 볼 수 없습니다"},
		{"selector: app=x", lang.English, "there is no pod with the label app=x to try this on"},
		{"selector: app=web", lang.Korean, "레이블 app=web을 가진 파드가 없어서 시험해 볼 수 없습니다"},
	} {
		lang.Set(c.language)
		r := w.Trigger(context.Background(), scope(nil), parse(t, "id: a\ntriggered:\n  delete: {kind: Pod, "+c.which+"}\n  then: {list: {kind: Pod}, expr: 'true'}"), func(string) {})
		if r.State != check.Fails || r.Actual != c.says {
			t.Errorf("%s in %s: %+v", c.which, c.language, r)
		}
	}
}

// slowMachines answer after a while, if somebody still waits then.
type slowMachines struct{ after time.Duration }

func (*slowMachines) Names() []string { return []string{"node1"} }

func (m *slowMachines) Run(ctx context.Context, _, _ string) (string, string, int, error) {
	select {
	case <-ctx.Done():
		return "", "", 0, ctx.Err()
	case <-time.After(m.after):
		return "done", "", 0, nil
	}
}

// TestPatience: an emulated machine may take longer over the same check.
func TestPatience(t *testing.T) {
	w := labtest.NewWorld(t.TempDir())
	w.Nodes = &slowMachines{after: 300 * time.Millisecond}
	ck := parse(t, "id: a\nwithin: 100ms\nnode: {on: node1, run: 'true'}\nexpr: stdout == 'done'")
	if r := w.Run(t.Context(), scope(nil), ck); r.State != check.Fails || !strings.Contains(r.Actual, "no answer within 100ms") {
		t.Errorf("without patience: %+v", r)
	}
	w.Patience = 100 // a limit of 10 s
	if r := w.Run(t.Context(), scope(nil), ck); r.State != check.Holds {
		t.Errorf("with patience: %+v", r)
	}
}
