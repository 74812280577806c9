package check

import (
	"context"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// List is the live objects of a kind (with apiVersion where several API groups
// have the kind); the expression sees them as `items`, ordered by name.
type List struct {
	Kind       string
	APIVersion string `yaml:"apiVersion"`
	// Selector is a label selector, such as app=web; without it they are all.
	Selector *field.Name
	// Namespace is the lab's unless named; it is ignored for kinds without.
	Namespace *field.Name
	At        problem.Pos `yaml:"-"`
}

// Variables is the objects.
func (*List) Variables() []string { return []string{"items"} }

// Validate wants a kind.
func (l *List) Validate(v *field.Validator) { v.Need(l.At, "list", "kind", l.Kind != "") }

// Watches is the objects' kind.
func (l *List) Watches() (objects []Watched, live bool) {
	return []Watched{{l.Kind, l.APIVersion, l.Namespace}}, true
}

// Look reads the objects.
func (l *List) Look(ctx context.Context, c *Cluster, s *Scope, base expr.Scope) (expr.Scope, error) {
	selector, err := l.Selector.Fill(ctx, base, "")
	if err != nil {
		return nil, err
	}
	namespace, err := l.Namespace.Fill(ctx, base, s.Namespace)
	if err != nil {
		return nil, err
	}
	items, err := c.List(ctx, l.Kind, l.APIVersion, namespace, selector)
	if err != nil {
		return nil, err
	}
	return base.With("items", contents(items)), nil
}
