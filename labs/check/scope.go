package check

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"strconv"

	"noriter.dev/noriter/internal/learner"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// Scope is where and with what checks are evaluated.
type Scope struct {
	Namespace string
	Vars      map[string]string
	// Seen is what the step's `remember` noted.
	Seen map[string]any
	// Files is the folder of the files handed to the learner.
	Files string
	// As is as whom scripts run; nil is whoever runs this process.
	As *learner.User
	// Elsewhere says that the lab is somebody's: its scripts get no terminal.
	Elsewhere bool
	// Kubeconfig, BinDir and LabFS, the lab's folder, are for scripts.
	Kubeconfig, BinDir string
	LabFS              fs.FS
}

// variables are the common variables of expressions.
func (c *Cluster) variables(ctx context.Context, s *Scope) expr.Scope {
	seen := s.Seen
	if seen == nil {
		seen = map[string]any{}
	}
	return expr.Scope{
		"vars": s.Vars, "ns": s.Namespace, "seen": seen, "files": s.Files,
		"fresh": strconv.Itoa(100_000 + rand.IntN(900_000)),
		"pods": func() any {
			pods, err := c.List(ctx, "Pod", "v1", s.Namespace, "")
			if err != nil {
				return []any{}
			}
			return contents(pods)
		},
		"owners": func() any { return c.owners(ctx, s.Namespace) },
	}
}

// owners are who keeps the namespace's pods. Where that can't be read, nobody does.
func (c *Cluster) owners(ctx context.Context, namespace string) map[string]string {
	pods, err := c.List(ctx, "Pod", "v1", namespace, "")
	if err != nil {
		return map[string]string{}
	}
	sets, err := c.List(ctx, "ReplicaSet", "apps/v1", namespace, "")
	if err != nil {
		return map[string]string{}
	}
	return expr.Owners(contents(pods), contents(sets))
}

// Holds evaluates a condition over the common variables; one that can't be
// decided yet doesn't hold.
func (c *Cluster) Holds(ctx context.Context, s *Scope, e *field.Expr) (bool, error) {
	v, err := e.Test(ctx, c.variables(ctx, s))
	return v.True, err
}

// See gives the common variables, and those of an object or a list where one
// is given. An object that isn't there is null.
func (c *Cluster) See(ctx context.Context, s *Scope, o *Object, l *List) (expr.Scope, error) {
	base := c.variables(ctx, s)
	switch {
	case o != nil:
		name, namespace, err := o.whose(ctx, s, base)
		if err != nil {
			return nil, err
		}
		obj, err := c.Get(ctx, o.Kind, o.APIVersion, namespace, name)
		if err != nil || obj == nil {
			return base.With("object", nil), err
		}
		return base.With("object", obj.Object), nil
	case l != nil:
		return l.Look(ctx, c, s, base)
	}
	return base, nil
}
