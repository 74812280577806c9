package podgc

import (
	"context"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"

	"noriter.dev/noriter/cluster/component/fakeapi"
)

func pod(name, node string, phase v1.PodPhase, changes ...func(*v1.Pod)) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: v1.PodSpec{NodeName: node}, Status: v1.PodStatus{Phase: phase}}
	for _, change := range changes {
		change(p)
	}
	return p
}

func ending(p *v1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} }

func born(ago time.Duration) func(*v1.Pod) {
	return func(p *v1.Pod) { p.CreationTimestamp = metav1.NewTime(time.Now().Add(-ago)) }
}

func setup(t *testing.T, keep int, objects ...runtime.Object) (*fakeapi.API, *Controller, *clocktesting.FakeClock) {
	t.Helper()
	api := fakeapi.New(t, objects...)
	clk := clocktesting.NewFakeClock(time.Now())
	c := New(api.Client, api.Factory, clk, keep)
	api.Start(t)
	return api, c, clk
}

func left(t *testing.T, api *fakeapi.API, c *Controller) map[string]bool {
	t.Helper()
	if err := c.collect(context.Background()); err != nil {
		t.Fatal(err)
	}
	list, err := api.Client.CoreV1().Pods("").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, p := range list.Items {
		names[p.Name] = true
	}
	return names
}

func TestPodsOfAMissingNodeGoAfterTheQuarantine(t *testing.T) {
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "here"}}
	api, c, clk := setup(t, 0, node, pod("a", "here", v1.PodRunning), pod("b", "gone", v1.PodRunning))
	if names := left(t, api, c); len(names) != 2 {
		t.Fatalf("left are %v before the quarantine", names)
	}
	clk.Step(quarantine - time.Second)
	if names := left(t, api, c); len(names) != 2 {
		t.Fatalf("left are %v within the quarantine", names)
	}
	clk.Step(2 * time.Second)
	if names := left(t, api, c); len(names) != 1 || !names["a"] {
		t.Errorf("left are %v, want a", names)
	}
	for _, action := range api.Client.Actions() {
		if action.GetVerb() == "patch" && action.GetSubresource() == "status" {
			return
		}
	}
	t.Error("the pod was not marked as failed before it went")
}

func TestPodsThatEndWithoutANodeGo(t *testing.T) {
	off := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "off"}, Spec: v1.NodeSpec{Taints: []v1.Taint{{Key: v1.TaintNodeOutOfService, Effect: v1.TaintEffectNoExecute}}}}
	on := off.DeepCopy()
	on.Name, on.Status.Conditions = "on", []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionTrue}}
	api, c, _ := setup(t, 0, off, on,
		pod("never", "", v1.PodPending, ending), pod("waiting", "", v1.PodPending),
		pod("off", "off", v1.PodRunning, ending), pod("on", "on", v1.PodRunning, ending), pod("stays", "off", v1.PodRunning))
	names := left(t, api, c)
	if len(names) != 3 || !names["waiting"] || !names["on"] || !names["stays"] {
		t.Errorf("left are %v, want waiting, on and stays", names)
	}
}

func TestOldestEndedPodsGo(t *testing.T) {
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
	evicted := func(p *v1.Pod) { p.Status.Reason = "Evicted" }
	api, c, _ := setup(t, 2, node, pod("old", "n", v1.PodSucceeded, born(3*time.Hour)), pod("new", "n", v1.PodFailed, born(time.Hour)),
		pod("mid", "n", v1.PodSucceeded, born(2*time.Hour)), pod("evicted", "n", v1.PodFailed, born(time.Minute), evicted), pod("running", "n", v1.PodRunning))
	if names := left(t, api, c); len(names) != 3 || names["old"] || names["evicted"] {
		t.Errorf("left are %v, want mid, new and running", names)
	}
}
