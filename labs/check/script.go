package check

import (
	"context"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// Script is the last resort: a file of the lab, run on the host with
// KUBECONFIG set; the expression sees what it printed as `stdout` and `stderr`,
// and its exit status as `code`.
type Script struct {
	// Run is the file's path in the lab's folder.
	Run string
	At  problem.Pos `yaml:"-"`
}

// Variables is what comes of the script.
func (*Script) Variables() []string { return outputVariables() }

// Validate wants a file.
func (sc *Script) Validate(v *field.Validator) { v.Need(sc.At, "script", "run", sc.Run != "") }

// Files is the script.
func (sc *Script) Files(visit func(at problem.Pos, name string)) { visit(sc.At, sc.Run) }

// Look runs the script.
func (sc *Script) Look(ctx context.Context, _ *Cluster, s *Scope, base expr.Scope) (expr.Scope, error) {
	out, err := s.Shell(ctx, sc.Run)
	if err != nil {
		return nil, err
	}
	return out.in(base), nil
}
