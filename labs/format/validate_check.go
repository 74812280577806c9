package format

import (
	"maps"
	"slices"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/field"
)

// check validates one check: one kind, complete, with its texts compiled
// against what that kind offers.
func (v *validator) check(c *Check, extra ...string) {
	kinds := 0
	for _, set := range []bool{c.Object != nil, c.List != nil, c.HTTP != nil, c.DNS != nil, c.Log != nil, c.Event != nil,
		c.Exec != nil, c.Node != nil, c.Triggered != nil, c.Script != nil} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		v.Fail(c.At, "check %q: want exactly one of object, list, http, dns, log, event, exec, node, triggered, script; found %d", c.ID, kinds)
		return
	}
	v.kind(c)
	variables := append(append([]string{}, c.variables()...), extra...)
	switch {
	case c.Triggered != nil, c.Object != nil && c.Object.Absent:
		if c.Expr != nil {
			v.Fail(c.Expr.At, "check %q: this kind takes no expr", c.ID)
		}
	default:
		v.Condition(c.Expr, c.At, variables...)
	}
	for _, w := range []*field.Words{c.Expect, c.Explain, c.Fact} {
		v.Words(w, variables...)
	}
}

// kind validates the fields of the kind that is set.
func (v *validator) kind(c *Check) {
	switch {
	case c.Object != nil:
		v.object(c.Object)
	case c.List != nil:
		v.Need(c.List.At, "list", "kind", c.List.Kind != "")
	case c.HTTP != nil:
		v.http(c.HTTP)
	case c.DNS != nil:
		v.dns(c.DNS)
	case c.Log != nil:
		if (c.Log.Pod == nil) == (c.Log.Selector == nil) {
			v.Fail(c.Log.At, "log: want pod or selector")
		}
	case c.Exec != nil:
		v.Need(c.Exec.At, "exec", "pod", c.Exec.Pod != nil)
		v.Need(c.Exec.At, "exec", "command", len(c.Exec.Command) > 0)
	case c.Node != nil:
		v.Need(c.Node.At, "node", "on", c.Node.On != nil)
		v.Need(c.Node.At, "node", "run", c.Node.Run != nil)
	case c.Script != nil:
		v.Need(c.Script.At, "script", "run", c.Script.Run != "")
	case c.Triggered != nil:
		v.triggered(c)
	}
}

func (v *validator) object(o *Object) {
	v.Need(o.At, "object", "kind", o.Kind != "")
	v.Need(o.At, "object", "name", o.Name != nil)
}

// usedVariables holds every use of vars.X and seen.X against what is declared.
func (v *validator) usedVariables() {
	declared := slices.Sorted(maps.Keys(v.lab.Vars))
	check := func(at problem.Pos, source string) {
		for _, name := range field.UsedVars(source) {
			if _, ok := v.lab.Vars[name]; !ok {
				v.Fail(at, "vars.%s is not declared%s", name, strict.Suggest(name, declared))
			}
		}
	}
	field.Sources(v.lab.Setup, func(at problem.Pos, source string) {
		check(at, source)
		for _, name := range field.UsedSeen(source) {
			v.Fail(at, "seen.%s: only steps remember", name)
		}
	})
	for i := range v.lab.Steps {
		step := &v.lab.Steps[i]
		field.Sources(step, func(at problem.Pos, source string) {
			check(at, source)
			for _, name := range field.UsedSeen(source) {
				if _, ok := step.Remember[name]; !ok {
					v.Fail(at, "seen.%s: the step %q doesn't remember it", name, step.ID)
				}
			}
		})
	}
}
