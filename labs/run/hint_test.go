package run_test

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/run"
)

func TestTiersHaveTheirPrice(t *testing.T) {
	step := &format.Step{ID: "one", Points: 10, Cost: []int{2, 4}}
	for taken, want := range []int{10, 8, 4, 4} {
		lab := &progress.Lab{Steps: map[string]*progress.Step{"one": {Hints: taken}}}
		if got := run.StepPoints(step, lab); got != want {
			t.Errorf("%d tiers: %d points, want %d", taken, got, want)
		}
	}
	step.Cost = []int{20}
	if got := run.StepPoints(step, &progress.Lab{Steps: map[string]*progress.Step{"one": {Hints: 1}}}); got != 0 {
		t.Errorf("a tier that costs more than the step: %d points", got)
	}
}

// TestHelpIsOffered to whom has tried often.
func TestHelpIsOffered(t *testing.T) {
	s, _ := started(t)
	for try := 1; try <= 6; try++ {
		u, err := s.Look(context.Background())
		if err != nil || u.Stuck != (try == 6) {
			t.Errorf("try %d: stuck %v, %v", try, u.Stuck, err)
		}
	}
}

// TestFreeHintsComeFirst: nobody pays for a tier before the hints were read that apply to
// what they did and cost nothing; each of those once.
func TestFreeHintsComeFirst(t *testing.T) {
	s, w := started(t)
	ask := func() run.Hint {
		t.Helper()
		hints, err := s.Hint(t.Context())
		if err != nil || len(hints) != 1 {
			t.Fatalf("%+v, %v", hints, err)
		}
		return hints[0]
	}
	for _, name := range []string{"a", "b", "c", "d"} { // with those of the lab more than five
		w.Put(labtest.Pod(s.Namespace, name))
	}
	if h := ask(); h.Number != 0 || h.Cost != 0 || h.Text != "so many pods" {
		t.Errorf("the hint about what is seen is not the first: %+v", h)
	}
	if h := ask(); h.Number != 1 || h.Cost != 2 {
		t.Errorf("what was read is told again: %+v", h)
	}
	stray := labtest.Pod("default", "lost")
	stray.SetCreationTimestamp(metav1.NewTime(time.Now().Add(time.Minute)))
	w.Put(stray)
	if hints, err := s.Hint(t.Context()); err != nil || len(hints) != 2 || !strings.Contains(hints[0].Text, "pod lost was made in the namespace default") {
		t.Errorf("own damage is not the first: %+v, %v", hints, err)
	}
	if h := ask(); h.Number != 2 {
		t.Errorf("%+v", h)
	}
}
