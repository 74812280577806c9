package scheduler

import (
	"context"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestQueueOrder(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	q := newSchedulingQueue(clk)
	for _, pod := range []string{"first", "second"} {
		q.addOrUpdate(testPod(pod), false)
		clk.Step(time.Millisecond)
	}
	q.addOrUpdate(testPod("urgent", important(100)), false)
	for _, want := range []string{"urgent", "first", "second"} {
		if got := q.pop(t.Context()).pod.Name; got != want {
			t.Errorf("popped %s, want %s", got, want)
		}
	}
}

func TestUnschedulablePodsComeBackForWhatMayHelpThem(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	q := newSchedulingQueue(clk)
	q.addOrUpdate(testPod("p"), false)
	p := q.pop(t.Context())
	q.addUnschedulable(p, nodeUpdateAllocatable|assignedPodDelete)
	if n := q.moveAllToActiveOrBackoffQueue(nodeUpdateTaint); n != 0 {
		t.Error("a change of taints brought back a pod that lacks memory")
	}
	if p, wait := q.tryPop(); p != nil || wait <= 0 {
		t.Fatalf("an unschedulable pod was popped: %v", p)
	}
	if n := q.moveAllToActiveOrBackoffQueue(assignedPodDelete); n != 1 {
		t.Fatalf("%d pods came back, want 1", n)
	}
	if got, _ := q.tryPop(); got != p {
		t.Error("it came back and is not next")
	}
}

func TestBackoffDoublesUpToTenSeconds(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	q := newSchedulingQueue(clk)
	q.addOrUpdate(testPod("p"), false)
	for i, want := range []time.Duration{1, 2, 4, 8, 10} {
		p, _ := q.tryPop()
		if p == nil {
			t.Fatalf("attempt %d: nothing to pop", i)
		}
		q.addErrored(p)
		if got, wait := q.tryPop(); got != nil || wait != want*time.Second {
			t.Fatalf("attempt %d: popped %v, waits %v, want %v", i, got, wait, want*time.Second)
		}
		clk.Step(want * time.Second)
	}
}

func TestNobodyWaitsForNothing(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	q := newSchedulingQueue(clk)
	q.addOrUpdate(testPod("p"), false)
	p := q.pop(t.Context())
	q.addUnschedulable(p, assignedPodDelete)
	q.moveAllToActiveOrBackoffQueue(assignedPodDelete) // at once, while it backs off
	if n := q.counts()[backoffQ]; n != 1 {
		t.Fatalf("%d pods back off, want 1", n)
	}
	q.addOrUpdate(testPod("other"), false)
	if got, _ := q.tryPop(); got.pod.Name != "other" {
		t.Errorf("%s came before a pod whose turn it is", got.pod.Name)
	}
	if got, _ := q.tryPop(); got != p {
		t.Error("a pod backs off though no other is waiting")
	}
}

func TestWhatHappensDuringAnAttemptIsNotMissed(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	q := newSchedulingQueue(clk)
	q.addOrUpdate(testPod("p"), false)
	p := q.pop(t.Context())
	q.moveAllToActiveOrBackoffQueue(nodeAdd)
	q.addUnschedulable(p, nodeAdd|assignedPodDelete)
	if n := q.counts()[unschedulablePods]; n != 0 {
		t.Error("held back, though a node was added during the attempt")
	}
	p = q.pop(t.Context())
	q.moveAllToActiveOrBackoffQueue(nodeUpdateLabel)
	q.addUnschedulable(p, nodeAdd|assignedPodDelete)
	if n := q.counts()[unschedulablePods]; n != 1 {
		t.Error("not held back, though nothing that helps has happened")
	}
}

func TestUnschedulablePodsAreTriedAgainAfterFiveMinutes(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	q := newSchedulingQueue(clk)
	q.addOrUpdate(testPod("p"), false)
	q.addUnschedulable(q.pop(t.Context()), assignedPodDelete)
	for range 9 {
		clk.Step(30 * time.Second)
		if p, _ := q.tryPop(); p != nil {
			t.Fatal("tried again too early")
		}
	}
	clk.Step(31 * time.Second)
	if p, _ := q.tryPop(); p == nil {
		t.Error("not tried again after 5 minutes")
	}
}

func TestChangedAndRemovedPods(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	q := newSchedulingQueue(clk)
	q.addOrUpdate(testPod("p"), false)
	p := q.pop(t.Context())
	q.addUnschedulable(p, assignedPodDelete)
	clk.Step(time.Minute)
	q.addOrUpdate(testPod("p", podLabels("status", "written")), false)
	if n := q.counts()[unschedulablePods]; n != 1 {
		t.Error("a change of the status alone brought it back")
	}
	q.addOrUpdate(testPod("p", tolerates("x")), true)
	if got, _ := q.tryPop(); got != p || len(got.pod.Spec.Tolerations) != 1 {
		t.Error("a pod that tolerates more now is not tried again, as it is now")
	}
	q.remove(p.pod.UID)
	q.addUnschedulable(p, assignedPodDelete)
	q.addErrored(p)
	if n := q.counts(); len(n) != 0 {
		t.Errorf("a removed pod is back: %v", n)
	}
}

func TestPopWaitsAndEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	q := newSchedulingQueue(clocktesting.NewFakeClock(time.Now()))
	popped := make(chan *queuedPodInfo)
	go func() {
		for p := q.pop(ctx); p != nil; p = q.pop(ctx) {
			popped <- p
		}
		close(popped)
	}()
	q.addOrUpdate(testPod("p"), false)
	if p := <-popped; p.pod.Name != "p" {
		t.Errorf("popped %s", p.pod.Name)
	}
	cancel()
	if _, more := <-popped; more {
		t.Error("popped something from an empty queue")
	}
}

// counts is how many pods are in each place.
func (q *schedulingQueue) counts() map[place]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := map[place]int{}
	for _, p := range q.pods {
		n[p.place]++
	}
	return n
}
