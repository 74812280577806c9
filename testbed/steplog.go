package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"noriter.dev/noriter/provision/step"
)

// noteSteps is a reporter that also writes down what each step waited for and how it ended, for `nori report`:
// a person who reports a fault has often closed the terminal in which it was. A log that
// can't be written is no reason to stop.
func (t *Testbed) noteSteps(doing string, report step.Reporter) step.Reporter {
	if err := os.MkdirAll(filepath.Dir(t.StepLog()), 0o755); err != nil {
		return report
	}
	begin := fmt.Sprintf("nori %s, %s\n", doing, time.Now().UTC().Format(time.RFC3339))
	if err := os.WriteFile(t.StepLog(), []byte(begin), 0o600); err != nil {
		return report
	}
	return func(e step.Event) {
		if e.Kind >= step.Waiting && e.Kind != step.Said {
			t.noteStep(e)
		}
		report(e)
	}
}

func (t *Testbed) noteStep(e step.Event) {
	f, err := os.OpenFile(t.StepLog(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return // as above; the testbed may be gone
	}
	defer f.Close()
	how := "done"
	switch e.Kind {
	case step.Waiting:
		how = "waits: " + e.Note
	case step.Failed:
		how = fmt.Sprintf("failed: %v", e.Err)
	case step.Interrupted:
		how = "interrupted"
	}
	fmt.Fprintf(f, "%s %8.1fs %s: %s\n", time.Now().UTC().Format("15:04:05"), e.Elapsed.Seconds(), e.Step.ID, how)
}
