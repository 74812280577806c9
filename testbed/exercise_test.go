package testbed

import (
	"strings"
	"testing"
	"time"
)

// TestExerciseIsKept: a second terminal sees it, and a surprise keeps its secret.
func TestExerciseIsKept(t *testing.T) {
	b := bedOf(t, "node1")
	b.state.Spec.Driver = "nspawn"
	if err := b.home.writeState(DefaultName, b.state); err != nil {
		t.Fatal(err)
	}
	e := &Exercise{Surprise: true, Level: 3, Seed: 7, Faults: []string{"dns-down", "node-off"}, Since: time.Now().UTC(), Hints: 1}
	if err := b.NoteFault(t.Context(), Fault{Name: "dns-down"}); err != nil {
		t.Fatal(err)
	}
	if err := b.NoteExercise(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	second, err := Open(b.home, DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	got := second.Exercise()
	if !got.Open() || !got.Secret() || got.Hints != 1 || got.Seed != 7 || len(got.Faults) != 2 {
		t.Errorf("kept: %+v", got)
	}
	err = second.Save(t.Context(), "mine", quietly)
	if err == nil || strings.Contains(err.Error(), "dns-down") || !strings.Contains(err.Error(), "nori fault recover") {
		t.Errorf("a snapshot with a surprise in it: %v", err)
	}
	got.Revealed = true
	if got.Secret() || !second.Exercise().Secret() {
		t.Error("the exercise that is handed out is no copy, or a secret after it was revealed")
	}
	if got.Mended = time.Now(); got.Open() {
		t.Error("what is mended is open")
	}
	if err := second.NoteExercise(t.Context(), nil); err != nil || second.Exercise().Open() {
		t.Errorf("ended: %+v, %v", second.Exercise(), err)
	}
}
