package format

import (
	"sort"

	"noriter.dev/noriter/internal/problem"
)

// Compile makes the program of an expression whose place offers the extra
// variables beside the common ones. A condition must be true or false. Where
// e is nil the mistake is put at at.
func (e *Expr) Compile(at problem.Pos, condition bool, extra ...string) problem.List {
	v := &validator{file: at.File}
	v.compile(e, at, condition, extra...)
	return v.problems
}

// Source is the expression as it was written, also before it is compiled.
func (e *Expr) Source() string {
	if e == nil {
		return ""
	}
	return e.source
}

// Compile makes the templates of both languages; no words are no mistake.
func (w *Words) Compile(extra ...string) problem.List {
	v := &validator{}
	v.words(w, extra)
	return v.problems
}

// CheckVars finds mistakes in the declarations of variables.
func CheckVars(file string, vars map[string]Var) problem.List {
	v := &validator{file: file}
	names := make([]string, 0, len(vars))
	for name := range vars {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		v.variable(name, vars[name])
	}
	return v.problems
}

// UsedVars are the names behind `vars.` in the source of an expression or a
// template.
func UsedVars(source string) []string {
	var out []string
	for _, m := range usesVar.FindAllStringSubmatch(source, -1) {
		out = append(out, m[1])
	}
	return out
}
