package check_test

import (
	"context"
	"testing"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/content"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/labtest"
)

// TestNothingIsGreenInAnEmptyWorld: "all of them are ready" of none is a line that is
// printed green and says nothing. What may hold there: that something is gone.
func TestNothingIsGreenInAnEmptyWorld(t *testing.T) {
	all, err := format.LoadAll(content.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, lab := range all {
		for i := range lab.Steps {
			step := &lab.Steps[i]
			held := map[string]bool{}
			for j := range step.Checks {
				ck := &step.Checks[j]
				if ck.Triggered() != nil {
					continue
				}
				s := scope(map[string]any{"uids": []any{}, "nodes": []any{}, "program": []any{}, "uid": "", "rs": "", "neighbour": "", "restarts": 0.0})
				s.Vars = map[string]string{}
				for name := range lab.Vars {
					s.Vars[name] = "7"
				}
				r := labtest.NewWorld(t.TempDir()).Run(context.Background(), s, ck)
				held[ck.ID] = r.State == check.Holds
				for _, premise := range ck.Given {
					held[ck.ID] = held[ck.ID] && held[premise]
				}
				if o, ok := ck.Kind.(*check.Object); held[ck.ID] && (!ok || !o.Absent) {
					t.Errorf("%s/%s/%s holds where there is nothing: %q", lab.ID, step.ID, ck.ID, r.Fact)
				}
			}
		}
	}
}
