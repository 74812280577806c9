package run

import (
	"context"
	"fmt"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
)

// recall evaluates what a step remembers when it is opened. An object that
// isn't there is null.
func (s *Session) recall(ctx context.Context, scope *check.Scope, step *format.Step) (map[string]any, error) {
	seen := map[string]any{}
	for name, m := range step.Remember {
		sees, err := s.Cluster.See(ctx, scope, m.Object, m.List)
		if err != nil {
			return nil, fmt.Errorf("step %s, remembering %s: %w", step.ID, name, err)
		}
		value, err := m.Expr.Value(ctx, sees)
		if err != nil {
			return nil, fmt.Errorf("step %s, remembering %s: %w", step.ID, name, err)
		}
		seen[name] = value
	}
	return seen, nil
}
