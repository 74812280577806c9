package run_test

import (
	"context"
	"testing"

	"noriter.dev/noriter/labs/format"
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
