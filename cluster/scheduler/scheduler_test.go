package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/clock"
)

func TestPodsAreAssignedAndSpread(t *testing.T) {
	w := start(t, clock.RealClock{}, testNode("node1"), testNode("node2"), testNode("node3"))
	counts := map[string]int{}
	for i := range 9 {
		w.create(testPod(fmt.Sprintf("p%d", i), requests("500m", "100Mi")))
	}
	for i := range 9 {
		counts[w.assigned(fmt.Sprintf("p%d", i))]++
	}
	for node, count := range counts {
		if count != 3 {
			t.Errorf("%s has %d pods of 9, want 3", node, count)
		}
	}
	if event := w.event(); !strings.HasPrefix(event, "Normal Scheduled Successfully assigned default/p") {
		t.Errorf("event %q", event)
	}
}

// The watch lags behind what was decided. If that did not count at once, the second
// pod would be put where the first has just taken the room.
func TestAssumedPodsTakeRoomAtOnce(t *testing.T) {
	w := start(t, clock.RealClock{}, testNode("node1"))
	for i := range 8 {
		w.create(testPod(fmt.Sprintf("p%d", i), requests("600m", "100Mi")))
	}
	refused := 0
	for i := range 8 {
		name := fmt.Sprintf("p%d", i)
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			pod := w.pod(name)
			if pod.Spec.NodeName != "" {
				break
			}
			if len(pod.Status.Conditions) > 0 {
				refused++
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s was neither assigned nor refused", name)
			}
		}
	}
	if refused != 5 {
		t.Errorf("%d pods were refused, want 5: three of 600m fit into 2 cores", refused)
	}
}

func TestMessageOfAnUnschedulablePod(t *testing.T) {
	w := start(t, clock.RealClock{},
		testNode("control", taint("node-role.kubernetes.io/control-plane", v1.TaintEffectNoSchedule)),
		testNode("node1"), testNode("node2"), testPod("q", on("node2"), requests("1", "1Gi")), testPod("r", on("node1"), requests("1", "1Gi")))
	w.create(testPod("big", requests("1500m", "100Mi")))
	want := "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. " +
		"preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."
	if got := w.refused("big"); got != want {
		t.Errorf("message\n%s\nwant\n%s", got, want)
	}
	if event := w.event(); event != "Warning FailedScheduling "+want {
		t.Errorf("event %q", event)
	}
}

func TestWithoutNodesAndThenWithOne(t *testing.T) {
	w := start(t, clock.RealClock{})
	w.create(testPod("p"))
	if got := w.refused("p"); got != "no nodes available to schedule pods" {
		t.Errorf("message %q", got)
	}
	began := time.Now()
	if _, err := w.Client.CoreV1().Nodes().Create(context.Background(), testNode("node1"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.assigned("p")
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("the pod waited %v for a node that was there", took)
	}
}

// An informer has its list before its handlers have heard of all of it.
func TestAllNodesAreKnownBeforeTheFirstDecision(t *testing.T) {
	objects := []runtime.Object{testPod("big", requests("100", "1Gi"))}
	for i := range 1000 {
		objects = append(objects, testNode(fmt.Sprintf("node%d", i)))
	}
	w := start(t, clock.RealClock{}, objects...)
	if event := w.event(); !strings.HasPrefix(event, "Warning FailedScheduling 0/1000 nodes are available: 1000 Insufficient cpu.") {
		t.Errorf("the first decision: %q", event)
	}
}

func TestUncordoningBringsUnschedulablePodsBack(t *testing.T) {
	node := testNode("node1", func(n *v1.Node) { n.Spec.Unschedulable = true })
	w := start(t, clock.RealClock{}, node)
	w.create(testPod("p"))
	if got := w.refused("p"); !strings.HasPrefix(got, "0/1 nodes are available: 1 node(s) were unschedulable. ") {
		t.Errorf("message %q", got)
	}
	fresh, err := w.Client.CoreV1().Nodes().Get(context.Background(), "node1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fresh.Spec.Unschedulable = false
	if _, err := w.Client.CoreV1().Nodes().Update(context.Background(), fresh, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.assigned("p")
}

func TestGatedPodsAndThoseOfOthersAreLeftAlone(t *testing.T) {
	w := start(t, clock.RealClock{}, testNode("node1"))
	w.create(testPod("gated", func(p *v1.Pod) { p.Spec.SchedulingGates = []v1.PodSchedulingGate{{Name: "wait"}} }))
	w.create(testPod("foreign", func(p *v1.Pod) { p.Spec.SchedulerName = "another" }))
	w.create(testPod("ours"))
	w.assigned("ours")
	for _, name := range []string{"gated", "foreign"} {
		if node := w.pod(name).Spec.NodeName; node != "" {
			t.Errorf("pod %s was assigned to %s", name, node)
		}
	}
	pod := w.pod("gated")
	pod.Spec.SchedulingGates = nil
	if _, err := w.Client.CoreV1().Pods("default").Update(context.Background(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.assigned("gated")
}

func TestFailedBindingIsTriedAgain(t *testing.T) {
	w := start(t, clock.RealClock{}, testNode("node1"))
	var failures atomic.Int32
	w.Client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.GetSubresource() == "binding" && failures.Add(1) == 1 {
			return true, nil, errors.New("connection refused")
		}
		return false, nil, nil
	})
	w.create(testPod("p", requests("2", "1Gi")))
	began := time.Now()
	w.assigned("p")
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("tried again after %v, want a back-off of 1 s", took)
	}
}

// Pods of a DaemonSet name their node; the others are not even looked at.
func TestPinnedPods(t *testing.T) {
	pinned := func(node string) podOption {
		return func(p *v1.Pod) {
			affinityOf(p).NodeAffinity = &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
				MatchFields: []v1.NodeSelectorRequirement{{Key: "metadata.name", Operator: v1.NodeSelectorOpIn, Values: []string{node}}}}}}}
		}
	}
	w := start(t, clock.RealClock{}, testNode("node1"), testNode("node2", taint("x", v1.TaintEffectNoSchedule)), testNode("node3"))
	w.create(testPod("a", pinned("node3")))
	if node := w.assigned("a"); node != "node3" {
		t.Errorf("assigned to %s", node)
	}
	w.create(testPod("b", pinned("node2")))
	want := "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. " +
		"preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
	if got := w.refused("b"); got != want {
		t.Errorf("message\n%s\nwant\n%s", got, want)
	}
}
