package check

import (
	"context"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// kinds are the kinds of checks, in the order in which messages list them.
var kinds = table[Kind]{
	{"object", (*Object)(nil)},
	{"list", (*List)(nil)},
	{"http", (*HTTP)(nil)},
	{"dns", (*DNS)(nil)},
	{"log", (*Log)(nil)},
	{"event", (*Event)(nil)},
	{"exec", (*Exec)(nil)},
	{"node", (*Node)(nil)},
	{"quota", (*Quota)(nil)},
	{"triggered", (*Triggered)(nil)},
	{"script", (*Script)(nil)},
}

// Kind is one kind of check: a pointer to the struct that its fields in
// lab.yaml are read into. Expressions and templates in exported fields are
// held against the lab's variables without being named here.
type Kind interface {
	// Variables are what the kind offers to the check's expression and texts,
	// beside the common ones. A new slice each time.
	Variables() []string
	// Validate finds mistakes in the fields, and fills in what is left out.
	Validate(v *field.Validator)
	// Look adds the variables to base. Where what is to be looked at isn't
	// there, the error is that of missing: the check fails, and the learner
	// reads it. Any other error means that the check couldn't look.
	Look(ctx context.Context, c *Cluster, s *Scope, base expr.Scope) (expr.Scope, error)
}

// A kind may be these as well.
type (
	// watcher knows which live objects it looks at; see Check.Watches.
	watcher interface {
		Watches() (objects []Watched, live bool)
	}
	// filer refers to files of the lab.
	filer interface {
		Files(visit func(at problem.Pos, name string))
	}
	// exprless may have nothing that an expression could be applied to.
	exprless interface{ TakesExpr() bool }
)

// Watched are live objects of a kind. Without a namespace it is the lab's.
type Watched struct {
	Kind, APIVersion string
	Namespace        *field.Name
}
