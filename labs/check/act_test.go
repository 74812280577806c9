package check_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/labtest"
)

// TestActsAreUndone lets each act run with a check that holds while it lasts,
// and with one that doesn't; either way everything is as it was afterwards.
func TestActsAreUndone(t *testing.T) {
	for _, c := range []struct {
		name, act, during string
		after             string
		did               []string
	}{
		{"scale", "scale: {kind: ReplicaSet, name: web, replicas: 0}",
			"object: {kind: ReplicaSet, name: web}, expr: 'object.spec.replicas == 0 && before[0].spec.replicas == 3'",
			"object: {kind: ReplicaSet, name: web}\nexpr: object.spec.replicas == 3", nil},
		{"label", "label: {kind: Pod, selector: app=x, pick: all, labels: {app: '', team: '{{vars.color}}'}}",
			"list: {kind: Pod, selector: team=red}, expr: 'size(items) == 2 && items.all(p, !has(p.metadata.labels.app))'",
			"list: {kind: Pod, selector: app=x}\nexpr: size(items) == 2 && items.all(p, !has(p.metadata.labels.team))", nil},
		{"unit", "node: {on: node1, stop: nori-agent}", "object: {kind: Node, name: node1}, expr: 'true'",
			"object: {kind: Node, name: node1}\nexpr: 'true'", []string{"node1: systemctl stop 'nori-agent'", "node1: systemctl start 'nori-agent'"}},
		{"unit started", "node: {on: node1, start: extra}", "object: {kind: Node, name: node1}, expr: 'true'",
			"object: {kind: Node, name: node1}\nexpr: 'true'", []string{"node1: systemctl start 'extra'", "node1: systemctl stop 'extra'"}},
		{"power", "node: {on: '{{pods[0].spec.nodeName}}', power: off}", "object: {kind: Node, name: node1}, expr: 'before[0].metadata.name == object.metadata.name'",
			"object: {kind: Node, name: node1}\nexpr: ready(object)", []string{"node1: off", "node1: on"}},
	} {
		for _, holds := range []bool{true, false} {
			w := labtest.NewWorld(t.TempDir(), pod("a", "app=x"), pod("b", "app=x"), replicaSet("web", 3, 3))
			machines := &nodes{back: func(string) { heartbeat(t, w) }}
			w.Nodes = machines
			during, want := c.during, check.Holds
			if !holds {
				during, want = strings.Replace(c.during, "expr: '", "expr: 'false && ", 1), check.Fails
			}
			var said []string
			text := "id: a\ntriggered:\n  " + c.act + "\n  within: 300ms\n  then: {" + during + "}"
			if r := w.Trigger(context.Background(), scope(nil), parse(t, text), func(s string) { said = append(said, s) }); r.State != want {
				t.Errorf("%s: %+v", c.name, r)
			}
			if r := w.Run(context.Background(), scope(nil), parse(t, "id: b\n"+c.after)); r.State != check.Holds {
				t.Errorf("%s, not put back: %+v", c.name, r)
			}
			if len(said) < 2 || strings.Join(machines.did, "|") != strings.Join(c.did, "|") {
				t.Errorf("%s: said %q, did %q", c.name, said, machines.did)
			}
		}
	}
}

// heartbeat lets node1 tell that it is ready, as its agent does after a boot.
func heartbeat(t *testing.T, w *labtest.World) {
	node, err := w.Get(context.Background(), "Node", "v1", "", "node1")
	if err != nil {
		t.Error(err)
		return
	}
	w.Put(labtest.With(node, "status.conditions", []any{map[string]any{"type": "Ready", "status": "True",
		"lastHeartbeatTime": time.Now().UTC().Format(time.RFC3339)}}))
}

// TestUndoneAfterLeaving cancels while the act lasts, as Ctrl-C does.
func TestUndoneAfterLeaving(t *testing.T) {
	w := labtest.NewWorld(t.TempDir(), replicaSet("web", 3, 3))
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, cancel)
	w.Trigger(ctx, scope(nil), parse(t, "id: a\ntriggered:\n  scale: {kind: ReplicaSet, name: web, replicas: 1}\n  then: {object: {kind: ReplicaSet, name: web}, expr: 'false'}"), func(string) {})
	if r := w.Run(context.Background(), scope(nil), parse(t, "id: b\nobject: {kind: ReplicaSet, name: web}\nexpr: object.spec.replicas == 3")); r.State != check.Holds {
		t.Errorf("not put back: %+v", r)
	}
}

func TestActThatFails(t *testing.T) {
	w := labtest.NewWorld(t.TempDir(), pod("a"), labtest.Object("v1", "Namespace", "", "precious", nil))
	w.Nodes = &nodes{fail: errors.New("no way in")}
	for _, c := range []struct{ act, says string }{
		{"node: {on: node1, stop: x}", "no way in"},
		{"node: {on: nowhere, stop: x}", "no node nowhere to try this on"},
		{"scale: {kind: Pod, name: a, replicas: 2}", "can't be scaled"},
		{"delete: {kind: Namespace, name: precious}", "no object of the lab's namespace"},
		{"label: {kind: Namespace, name: precious, labels: {x: y}}", "no object of the lab's namespace"},
		{"delete: {kind: Node, name: node1}", "no object of the lab's namespace"},
		{"label: {kind: Pod, name: b, labels: {x: y}}", "no pod b to try this on"},
	} {
		r := w.Trigger(context.Background(), scope(nil), parse(t, "id: a\ntriggered:\n  "+c.act+"\n  then: {list: {kind: Pod}, expr: 'true'}"), func(string) {})
		if r.State == check.Holds || !strings.Contains(r.Actual, c.says) {
			t.Errorf("%s: %+v", c.act, r)
		}
	}
	for kind, name := range map[string]string{"Namespace": "precious", "Node": "node1"} {
		if obj, err := w.Get(context.Background(), kind, "v1", "", name); obj == nil || err != nil || obj.GetLabels()["x"] != "" {
			t.Errorf("%s %s was touched: %v, %v", kind, name, obj, err)
		}
	}
}

// TestStays: a check with `stays` begins when what was deleted is gone, and one
// moment in which it doesn't hold is enough to fail.
func TestStays(t *testing.T) {
	text := "id: a\ntriggered:\n  delete: {kind: Pod, selector: app=v}\n  stays: 600ms\n  then: {list: {kind: Pod, selector: app=v}, expr: size(items) == 0}"
	for _, c := range []struct {
		name    string
		another bool
		want    check.State
	}{
		{"the pod is in its grace for a while", false, check.Holds},
		{"another pod is there for a moment", true, check.Fails},
	} {
		w := labtest.NewWorld(t.TempDir(), pod("v", "app=v"))
		w.Client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			if c.another {
				p := pod("v", "app=v")
				p.SetUID("uid-again")
				w.Put(p)
			}
			time.AfterFunc(300*time.Millisecond, func() { w.Drop(pod("v")) })
			return true, nil, nil
		})
		if r := w.Trigger(context.Background(), scope(nil), parse(t, text), func(string) {}); r.State != c.want {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}
