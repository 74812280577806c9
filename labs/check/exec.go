package check

import (
	"context"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// Exec is a command in a container of a pod; the expression sees what it printed as
// `stdout` and `stderr`, and its exit status as `code`. It must not change
// anything.
type Exec struct {
	Pod *field.Name
	// Container may be left out where the pod has one.
	Container string
	// Command is the program and its arguments; no shell is in between.
	Command []*field.Name
	At      problem.Pos `yaml:"-"`
}

// Variables is what comes of the command.
func (*Exec) Variables() []string { return outputVariables() }

// Validate wants a pod and a command.
func (e *Exec) Validate(v *field.Validator) {
	v.Need(e.At, "exec", "pod", e.Pod != nil)
	v.Need(e.At, "exec", "command", len(e.Command) > 0)
}

// Look runs the command.
func (e *Exec) Look(ctx context.Context, c *Cluster, s *Scope, base expr.Scope) (expr.Scope, error) {
	name, err := e.Pod.Fill(ctx, base, "")
	if err != nil {
		return nil, err
	}
	if _, err := c.pod(ctx, s, name); err != nil {
		return nil, err
	}
	var command []string
	for _, word := range e.Command {
		w, err := word.Render(ctx, base)
		if err != nil {
			return nil, err
		}
		command = append(command, w)
	}
	out, err := c.Reach.Exec(ctx, s.Namespace, name, e.Container, command)
	if err != nil {
		return nil, missing(lang.Textf("%v", "%v", err))
	}
	return out.in(base), nil
}
