package testbed

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noriter.dev/noriter/provision/step"
)

// TestStepsAreWrittenDown: what failed is found by `nori report` later on, and a disk on
// which nothing can be written stops nothing.
func TestStepsAreWrittenDown(t *testing.T) {
	bed := &Testbed{home: Home{t.TempDir()}, state: State{Spec: Spec{Name: "x"}}}
	shown := 0
	note := func(doing string) {
		report := bed.noteSteps(doing, func(step.Event) { shown++ })
		report(step.Event{Kind: step.Started, Step: &step.Step{ID: "machines"}})
		report(step.Event{Kind: step.Waiting, Step: &step.Step{ID: "machines"}, Note: "node1 to answer"})
		report(step.Event{Kind: step.Failed, Step: &step.Step{ID: "machines"}, Err: errors.New("no cable")})
		report(step.Event{Kind: step.Interrupted, Step: &step.Step{ID: "pki"}})
	}
	note("up")
	note("reset")
	data, err := os.ReadFile(bed.StepLog())
	text := string(data)
	if err != nil || !strings.HasPrefix(text, "nori reset, ") || strings.Contains(text, "nori up") || strings.Contains(text, "started") {
		t.Errorf("the log is %q, %v", text, err)
	}
	for _, want := range []string{"machines: waits: node1 to answer", "machines: failed: no cable", "pki: interrupted"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
	if err := os.RemoveAll(bed.home.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bed.home.Dir, nil, 0o600); err != nil { // a file where the folder was
		t.Fatal(err)
	}
	note("up")
	if shown != 12 {
		t.Errorf("%d of 12 events were shown", shown)
	}
	if _, err := os.Stat(filepath.Dir(bed.StepLog())); err == nil {
		t.Error("a folder was made in a file")
	}
}
