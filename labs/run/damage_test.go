package run_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/progress"
)

// TestDamageIsSaid takes away what a step did not ask for, and wants the command that puts
// it back; also what was made where the lab does not look.
func TestDamageIsSaid(t *testing.T) {
	env, _ := labtest.Env(t)
	s, w := labtest.OpenWorld(env, labtest.Demo(t))
	node := func(labels map[string]string, spec map[string]any) {
		n := labtest.Object("v1", "Node", "", "control", map[string]any{"spec": spec, "status": map[string]any{
			"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}}})
		n.SetLabels(labels)
		w.Put(n)
	}
	taint := func(key string) map[string]any { return map[string]any{"key": key, "effect": "NoSchedule"} }
	daemon := func(name string, selector map[string]any) {
		w.Put(labtest.Object("apps/v1", "DaemonSet", s.Namespace, name, map[string]any{"spec": map[string]any{
			"template": map[string]any{"spec": map[string]any{"nodeSelector": selector}}}}))
	}
	node(map[string]string{"disk": "ssd", "role": "control"}, map[string]any{"taints": []any{taint("keep-out"), taint("node.kubernetes.io/not-ready")}})
	daemon("fast", map[string]any{"disk": "ssd"})
	daemon("deleted", map[string]any{"disk": "ssd"})
	daemon("moved", map[string]any{"disk": "ssd"})
	daemon("otherwise", map[string]any{"disk": "ssd"})
	if err := s.Start(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	damage := func() string {
		u, err := s.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(u.Damage, "\n")
	}
	if got := damage(); got != "" {
		t.Errorf("nothing was broken, and it says: %s", got)
	}
	node(map[string]string{"disk": "hdd", "role": "control", "new": "one"}, map[string]any{"unschedulable": true})
	daemon("fast", map[string]any{})
	daemon("moved", map[string]any{"disk": "hdd"}) // as a step may ask
	daemon("otherwise", map[string]any{"rack": "r2"})
	w.Drop(labtest.Object("apps/v1", "DaemonSet", s.Namespace, "deleted", map[string]any{}))
	stray := labtest.Pod("default", "hello")
	stray.SetCreationTimestamp(metav1.NewTime(time.Now().Add(time.Minute)))
	w.Put(stray)
	owned := labtest.Owned(labtest.Pod("default", "hello-x"), "ReplicaSet", "hello")
	owned.SetCreationTimestamp(metav1.NewTime(time.Now().Add(time.Minute)))
	w.Put(owned)
	got := damage()
	for _, want := range []string{"`kubectl taint node control keep-out=:NoSchedule`", "`kubectl label node control disk=ssd --overwrite`",
		"`kubectl uncordon control`", "`kubectl rollout undo daemonset/fast`", "`kubectl delete pod hello -n default`"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in:\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n") + 1; n != 5 {
		t.Errorf("%d lines, want 5:\n%s", n, got)
	}
}

// TestWhereNodesAreNotListed: on somebody else's cluster a step is graded all the same.
func TestWhereNodesAreNotListed(t *testing.T) {
	s, w := started(t)
	if err := s.Store.Update(func(all *progress.State) error { all.Labs["demo"].StepState("one").Before = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	w.Client.PrependReactor("list", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("nodes is forbidden")
	})
	if u, err := s.Look(t.Context()); err != nil || u.Results[0].State != check.Fails || len(u.Damage) > 0 {
		t.Errorf("%+v, %v", u, err)
	}
	solve(t, s)
}
