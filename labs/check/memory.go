package check

import (
	"context"
	"fmt"

	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
	"noriter.dev/noriter/labs/format"
)

// Recall evaluates what a step remembers when it is opened. An object that
// isn't there is null.
func (c *Cluster) Recall(ctx context.Context, s *Scope, step *format.Step) (map[string]any, error) {
	seen := map[string]any{}
	for name, m := range step.Remember {
		scope, err := c.sourced(ctx, s, m.Object, m.List)
		if err != nil {
			return nil, fmt.Errorf("step %s, remembering %s: %w", step.ID, name, err)
		}
		value, err := m.Expr.Value(ctx, scope)
		if err != nil {
			return nil, fmt.Errorf("step %s, remembering %s: %w", step.ID, name, err)
		}
		seen[name] = value
	}
	return seen, nil
}

// Holds evaluates a condition over the common variables; one that can't be
// decided yet doesn't hold.
func (c *Cluster) Holds(ctx context.Context, s *Scope, e *field.Expr) (bool, error) {
	v, err := e.Test(ctx, c.variables(ctx, s))
	return v.True, err
}

// Hints gives the computed hints of a step that apply now. A condition that
// can't be decided doesn't.
func (c *Cluster) Hints(ctx context.Context, s *Scope, step *format.Step) []string {
	var out []string
	for i := range step.When {
		w := &step.When[i]
		scope, err := c.sourced(ctx, s, w.Object, w.List)
		if err != nil {
			continue
		}
		if v, err := w.Expr.Test(ctx, scope); err == nil && v.True {
			out = append(out, w.Hint)
		}
	}
	return out
}

// sourced is the scope with the object or list that was asked for.
func (c *Cluster) sourced(ctx context.Context, s *Scope, o *format.Object, l *format.List) (expr.Scope, error) {
	base := c.variables(ctx, s)
	switch {
	case o != nil:
		name, err := o.Name.Fill(ctx, base, "")
		if err != nil {
			return nil, err
		}
		namespace, err := o.Namespace.Fill(ctx, base, s.Namespace)
		if err != nil {
			return nil, err
		}
		obj, err := c.Get(ctx, o.Kind, o.APIVersion, namespace, name)
		if err != nil || obj == nil {
			return base.With("object", nil), err
		}
		return base.With("object", obj.Object), nil
	case l != nil:
		return c.lookList(ctx, s, l, base)
	}
	return base, nil
}
