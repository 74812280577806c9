package scheduler

import (
	"context"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestQueueOrder(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	q := newQueue(clk)
	for _, pod := range []string{"first", "second"} {
		q.add(testPod(pod), false)
		clk.Step(time.Millisecond)
	}
	q.add(testPod("urgent", important(100)), false)
	for _, want := range []string{"urgent", "first", "second"} {
		if got := q.pop(t.Context()).pod.Name; got != want {
			t.Errorf("popped %s, want %s", got, want)
		}
	}
}

func TestParkedPodsComeBackForWhatMayHelpThem(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	q := newQueue(clk)
	q.add(testPod("p"), false)
	e := q.pop(t.Context())
	q.park(e, nodeAllocatable|podGone)
	if n := q.moved(nodeTaints); n != 0 {
		t.Error("a change of taints brought back a pod that lacks memory")
	}
	if e, wait := q.next(); e != nil || wait <= 0 {
		t.Fatalf("a parked pod was popped: %v", e)
	}
	if n := q.moved(podGone); n != 1 {
		t.Fatalf("%d pods came back, want 1", n)
	}
	if got, _ := q.next(); got != e {
		t.Error("it came back and is not next")
	}
}

func TestBackoffDoublesUpToTenSeconds(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	q := newQueue(clk)
	q.add(testPod("p"), false)
	for i, want := range []time.Duration{1, 2, 4, 8, 10} {
		e, _ := q.next()
		if e == nil {
			t.Fatalf("attempt %d: nothing to pop", i)
		}
		q.retry(e)
		if got, wait := q.next(); got != nil || wait != want*time.Second {
			t.Fatalf("attempt %d: popped %v, waits %v, want %v", i, got, wait, want*time.Second)
		}
		clk.Step(want * time.Second)
	}
}

func TestNobodyWaitsForNothing(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	q := newQueue(clk)
	q.add(testPod("p"), false)
	e := q.pop(t.Context())
	q.park(e, podGone)
	q.moved(podGone) // at once, while it backs off
	if n := q.counts()[backingOff]; n != 1 {
		t.Fatalf("%d pods back off, want 1", n)
	}
	q.add(testPod("other"), false)
	if got, _ := q.next(); got.pod.Name != "other" {
		t.Errorf("%s came before a pod whose turn it is", got.pod.Name)
	}
	if got, _ := q.next(); got != e {
		t.Error("a pod backs off though no other is waiting")
	}
}

func TestWhatHappensDuringAnAttemptIsNotMissed(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	q := newQueue(clk)
	q.add(testPod("p"), false)
	e := q.pop(t.Context())
	q.moved(nodeAdded)
	q.park(e, nodeAdded|podGone)
	if n := q.counts()[parked]; n != 0 {
		t.Error("parked, though a node was added during the attempt")
	}
	e = q.pop(t.Context())
	q.moved(nodeLabels)
	q.park(e, nodeAdded|podGone)
	if n := q.counts()[parked]; n != 1 {
		t.Error("not parked, though nothing that helps has happened")
	}
}

func TestParkedPodsAreTriedAgainAfterFiveMinutes(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	q := newQueue(clk)
	q.add(testPod("p"), false)
	q.park(q.pop(t.Context()), podGone)
	for range 9 {
		clk.Step(30 * time.Second)
		if e, _ := q.next(); e != nil {
			t.Fatal("tried again too early")
		}
	}
	clk.Step(31 * time.Second)
	if e, _ := q.next(); e == nil {
		t.Error("not tried again after 5 minutes")
	}
}

func TestChangedAndRemovedPods(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	q := newQueue(clk)
	q.add(testPod("p"), false)
	e := q.pop(t.Context())
	q.park(e, podGone)
	clk.Step(time.Minute)
	q.add(testPod("p", podLabels("status", "written")), false)
	if n := q.counts()[parked]; n != 1 {
		t.Error("a change of the status alone brought it back")
	}
	q.add(testPod("p", tolerates("x")), true)
	if got, _ := q.next(); got != e || len(got.pod.Spec.Tolerations) != 1 {
		t.Error("a pod that tolerates more now is not tried again, as it is now")
	}
	q.remove(e.pod.UID)
	q.park(e, podGone)
	q.retry(e)
	if n := q.counts(); len(n) != 0 {
		t.Errorf("a removed pod is back: %v", n)
	}
}

func TestPopWaitsAndEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	q := newQueue(clocktesting.NewFakeClock(time.Now()))
	popped := make(chan *entry)
	go func() {
		for e := q.pop(ctx); e != nil; e = q.pop(ctx) {
			popped <- e
		}
		close(popped)
	}()
	q.add(testPod("p"), false)
	if e := <-popped; e.pod.Name != "p" {
		t.Errorf("popped %s", e.pod.Name)
	}
	cancel()
	if _, more := <-popped; more {
		t.Error("popped something from an empty queue")
	}
}
