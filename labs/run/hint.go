package run

import (
	"context"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
)

// computedHints gives the computed hints of a step that apply now. A condition
// that can't be decided doesn't.
func (s *Session) computedHints(ctx context.Context, scope *check.Scope, step *format.Step) []string {
	var out []string
	for i := range step.When {
		w := &step.When[i]
		sees, err := s.Cluster.See(ctx, scope, w.Object, w.List)
		if err != nil {
			continue
		}
		if v, err := w.Expr.Test(ctx, sees); err == nil && v.True {
			out = append(out, w.Hint)
		}
	}
	return out
}
