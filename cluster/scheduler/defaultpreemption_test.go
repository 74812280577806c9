package scheduler

import (
	"context"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
)

func TestPreemptionEvictsTheLeastImportant(t *testing.T) {
	w := start(t, clock.RealClock{}, testNode("node1"), testNode("node2"),
		testPod("low-a", on("node1"), requests("1", "1Gi"), important(1)), testPod("low-b", on("node1"), requests("1", "1Gi"), important(2)),
		testPod("mid", on("node2"), requests("2", "1Gi"), important(50)))
	w.create(testPod("high", requests("1", "1Gi"), important(100)))
	if node := w.assigned("high"); node != "node1" {
		t.Errorf("assigned to %s, want node1, whose pod matters least", node)
	}
	list, err := w.Client.CoreV1().Pods("default").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, pod := range list.Items {
		names = append(names, pod.Name)
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "high low-b mid" {
		t.Errorf("left are %s, want high low-b mid", got)
	}
	w.create(testPod("never", requests("2", "1Gi"), important(1000), func(p *v1.Pod) { p.Spec.PreemptionPolicy = ptr.To(v1.PreemptNever) }))
	if got := w.refused("never"); got != "0/2 nodes are available: 2 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never." {
		t.Errorf("message %q", got)
	}
}

// Pods leave slowly. Until they have, nobody less important may take their room.
func TestRoomIsKeptForAPodThatPreempts(t *testing.T) {
	w := start(t, clock.RealClock{})
	w.Graceful = true
	if _, err := w.Client.CoreV1().Nodes().Create(context.Background(), testNode("node1"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.create(testPod("victim", requests("2", "1Gi"), important(1)))
	w.assigned("victim")
	w.create(testPod("high", requests("2", "1Gi"), important(100)))
	if got := w.refused("high"); got != "0/1 nodes are available: 1 Insufficient cpu. preemption: found a potential placement for pod on node node1, preempting 1 victims" {
		t.Errorf("message %q", got)
	}
	w.create(testPod("low", requests("2", "1Gi"), important(1)))
	w.refused("low")
	if err := w.RemovePod("default", "victim"); err != nil {
		t.Fatal(err)
	}
	w.assigned("high")
	if node := w.pod("low").Spec.NodeName; node != "" {
		t.Errorf("the less important pod got %s", node)
	}
}
