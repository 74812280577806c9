package format

import (
	"maps"
	"regexp"
	"slices"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/field"
)

// Var is a variable with a value of its own for every learner, chosen once.
// It is either one of the list pick, or a number from min to max, ends included.
type Var struct {
	Pick     []string
	Min, Max int
	At       problem.Pos `yaml:"-"`
}

var variableName = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)

// CheckVars finds mistakes in the declarations of variables.
func CheckVars(file string, vars map[string]Var) problem.List {
	v := field.Validator{File: file}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		switch variable := vars[name]; {
		case !variableName.MatchString(name):
			v.Fail(variable.At, "vars: want a name like color, found %q", name)
		case len(variable.Pick) > 0 && variable.Max != 0, len(variable.Pick) == 0 && variable.Max == 0:
			v.Fail(variable.At, "vars.%s: give either pick: [a, b, c] or min and max", name)
		case len(variable.Pick) == 0 && variable.Min >= variable.Max:
			v.Fail(variable.At, "vars.%s: min must be below max", name)
		}
	}
	return v.Problems
}
