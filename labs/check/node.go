package check

import (
	"context"
	"errors"
	"fmt"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// Node is a command on a machine; the expression sees what it printed as
// `stdout` and `stderr`, and its exit status as `code`. It must not change
// anything.
type Node struct {
	// On is the machine's name.
	On *field.Name
	// Run is a line of shell.
	Run *field.Name
	At  problem.Pos `yaml:"-"`
}

// Variables is what comes of the command.
func (*Node) Variables() []string { return outputVariables() }

// Validate wants a machine and a command.
func (n *Node) Validate(v *field.Validator) {
	v.Need(n.At, "node", "on", n.On != nil)
	v.Need(n.At, "node", "run", n.Run != nil)
}

// Look runs the command.
func (n *Node) Look(ctx context.Context, c *Cluster, _ *Scope, base expr.Scope) (expr.Scope, error) {
	if c.Nodes == nil {
		return nil, errors.New("this check runs a command on a machine, but the machines of this cluster can't be reached")
	}
	on, err := n.On.Render(ctx, base)
	if err != nil {
		return nil, err
	}
	command, err := n.Run.Render(ctx, base)
	if err != nil {
		return nil, err
	}
	stdout, stderr, code, err := c.Nodes.Run(ctx, on, command)
	if err != nil {
		return nil, fmt.Errorf("running %q on %s: %w", command, on, err)
	}
	return Output{Stdout: stdout, Stderr: stderr, Code: code}.in(base), nil
}
