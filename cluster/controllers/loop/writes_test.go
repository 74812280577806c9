package loop

import (
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
)

func object(uid types.UID, generation int64) *v1.Pod {
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid, Generation: generation}}
}

func TestWritesAreWaitedForUntilSeen(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	w := NewWrites(clk)
	if wait := Pending(w, "owner", []*v1.Pod{object("a", 1)}); wait != 0 {
		t.Errorf("waits %v for nothing", wait)
	}
	w.Note("owner", object("a", 2))
	w.Note("owner", object("b", 1))
	if wait := Pending(w, "owner", []*v1.Pod{object("a", 1), object("b", 1)}); wait == 0 {
		t.Error("an old generation counts as seen")
	}
	if wait := Pending(w, "other", []*v1.Pod{object("a", 1)}); wait != 0 {
		t.Error("another owner waits")
	}
	if wait := Pending(w, "owner", []*v1.Pod{object("a", 3)}); wait != 0 {
		t.Errorf("waits %v, though all is seen", wait)
	}
}

func TestWritesThatAreNeverSeenAreGivenUp(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	w := NewWrites(clk)
	w.Note("owner", object("a", 2))
	clk.Step(staleLimit - time.Second)
	if wait := Pending(w, "owner", []*v1.Pod{}); wait != time.Second {
		t.Errorf("waits %v, want 1s", wait)
	}
	clk.Step(time.Second)
	if wait := Pending(w, "owner", []*v1.Pod{}); wait != 0 {
		t.Errorf("waits %v for something that will not come", wait)
	}
	w.Note("owner", object("a", 2))
	w.Forget("a")
	if wait := Pending(w, "owner", []*v1.Pod{}); wait != 0 {
		t.Errorf("waits %v for something that is gone", wait)
	}
}
