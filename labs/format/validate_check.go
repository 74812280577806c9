package format

import (
	"fmt"
	"regexp"
	"sort"

	"noriter.dev/noriter/labs/expr"
)

// check validates one check: one kind, complete, with its texts compiled
// against what that kind offers.
func (v *validator) check(c *Check, extra ...string) {
	kinds := 0
	for _, set := range []bool{c.Object != nil, c.List != nil, c.HTTP != nil, c.Log != nil, c.Event != nil,
		c.Exec != nil, c.Node != nil, c.Triggered != nil, c.Script != nil} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		v.fail(c.At, "check %q: want exactly one of object, list, http, log, event, exec, node, triggered, script; found %d", c.ID, kinds)
		return
	}
	v.kind(c)
	variables := append(append([]string{}, c.variables()...), extra...)
	switch {
	case c.Triggered != nil, c.Object != nil && c.Object.Absent:
		if c.Expr != nil {
			v.fail(c.Expr.At, "check %q: this kind takes no expr", c.ID)
		}
	default:
		v.compile(c.Expr, c.At, true, variables...)
	}
	for _, w := range []*Words{c.Expect, c.Explain, c.Fact} {
		v.words(w, variables)
	}
}

// kind validates the fields of the kind that is set.
func (v *validator) kind(c *Check) {
	switch {
	case c.Object != nil:
		v.object(c.Object)
	case c.List != nil:
		v.need(c.List.At, "list", "kind", c.List.Kind != "")
	case c.HTTP != nil:
		v.http(c.HTTP)
	case c.Log != nil:
		v.need(c.Log.At, "log", "pod", c.Log.Pod != nil)
	case c.Exec != nil:
		v.need(c.Exec.At, "exec", "pod", c.Exec.Pod != nil)
		v.need(c.Exec.At, "exec", "command", len(c.Exec.Command) > 0)
	case c.Node != nil:
		v.need(c.Node.At, "node", "on", c.Node.On != nil)
		v.need(c.Node.At, "node", "run", c.Node.Run != nil)
	case c.Script != nil:
		v.need(c.Script.At, "script", "run", c.Script.Run != "")
	case c.Triggered != nil:
		v.triggered(c)
	}
}

func (v *validator) need(at Pos, kind, field string, there bool) {
	if !there {
		v.fail(at, "%s: %s is missing", kind, field)
	}
}

func (v *validator) object(o *Object) {
	v.need(o.At, "object", "kind", o.Kind != "")
	v.need(o.At, "object", "name", o.Name != nil)
}

func (v *validator) http(h *HTTP) {
	targets := 0
	for _, n := range []*Name{h.URL, h.Node, h.Pod, h.Service, h.Selector} {
		if n != nil {
			targets++
		}
	}
	if targets != 1 {
		v.fail(h.At, "http: want exactly one of url, node, pod, service, selector; found %d", targets)
	}
	if h.URL == nil && (h.Port < 1 || h.Port > 65535) {
		v.fail(h.At, "http: want a port from 1 to 65535, found %d", h.Port)
	}
}

func (v *validator) triggered(c *Check) {
	t := c.Triggered
	if t.Delete == nil || t.Then == nil {
		v.fail(t.At, "triggered: needs delete and then")
		return
	}
	d := t.Delete
	v.need(d.At, "delete", "kind", d.Kind != "")
	if (d.Name == nil) == (d.Selector == nil) {
		v.fail(d.At, "delete: want name or selector")
	}
	if d.Pick != "" && d.Pick != "one" && d.Pick != "all" {
		v.fail(d.At, "pick: want one or all, found %q", d.Pick)
	}
	if t.Then.Triggered != nil {
		v.fail(t.Then.At, "then: a triggered check can't trigger another")
		return
	}
	if t.Then.ID == "" {
		t.Then.ID = c.ID
	}
	v.check(t.Then, "before")
}

// words compiles a text in both languages.
func (v *validator) words(w *Words, variables []string) {
	if w == nil {
		return
	}
	var err error
	if w.En, err = expr.CompileTemplate(w.Text.En, variables...); err != nil {
		v.fail(w.Text.At, "en: %v", err)
	}
	if w.Ko, err = expr.CompileTemplate(w.Text.Ko, variables...); err != nil {
		v.fail(w.Text.At, "ko: %v", err)
	}
}

var (
	usesVar  = regexp.MustCompile(`\bvars\.([a-zA-Z0-9]+)`)
	usesSeen = regexp.MustCompile(`\bseen\.([a-zA-Z0-9]+)`)
)

// usedVariables holds every use of vars.X and seen.X against what is
// declared: CEL can't, because maps take any key.
func (v *validator) usedVariables() {
	var declared []string
	for name := range v.lab.Vars {
		declared = append(declared, name)
	}
	sort.Strings(declared)
	v.lab.eachSource(func(at Pos, step *Step, source string) {
		for _, m := range usesVar.FindAllStringSubmatch(source, -1) {
			if _, ok := v.lab.Vars[m[1]]; !ok {
				v.fail(at, "vars.%s is not declared%s", m[1], nearest(m[1], declared))
			}
		}
		for _, m := range usesSeen.FindAllStringSubmatch(source, -1) {
			if step == nil {
				v.fail(at, "seen.%s: only steps remember", m[1])
			} else if _, ok := step.Remember[m[1]]; !ok {
				v.fail(at, "seen.%s: the step %q doesn't remember it", m[1], step.ID)
			}
		}
	})
}

// eachSource visits the source of every expression and template.
func (l *Lab) eachSource(visit func(at Pos, step *Step, source string)) {
	var step *Step
	words := func(w *Words) {
		if w != nil {
			visit(w.Text.At, step, w.Text.En)
			visit(w.Text.At, step, w.Text.Ko)
		}
	}
	expression := func(e *Expr) {
		if e != nil {
			visit(e.At, step, e.source)
		}
	}
	names := func(list ...*Name) {
		for _, n := range list {
			if n != nil {
				visit(n.At, step, n.Source())
			}
		}
	}
	var check func(c *Check)
	check = func(c *Check) {
		expression(c.Expr)
		for _, w := range []*Words{c.Expect, c.Explain, c.Fact} {
			words(w)
		}
		names(c.names()...)
		if c.Triggered != nil && c.Triggered.Then != nil {
			check(c.Triggered.Then)
		}
	}
	for i := range l.Setup {
		if l.Setup[i].Wait != nil {
			check(l.Setup[i].Wait)
		}
	}
	for i := range l.Steps {
		step = &l.Steps[i]
		for _, m := range step.Remember {
			expression(m.Expr)
		}
		for _, w := range step.When {
			expression(w.Expr)
		}
		for j := range step.Checks {
			check(&step.Checks[j])
		}
	}
}

// names are the templates in the fields of a check's kind.
func (c *Check) names() []*Name {
	switch {
	case c.Object != nil:
		return []*Name{c.Object.Name, c.Object.Namespace}
	case c.List != nil:
		return []*Name{c.List.Selector, c.List.Namespace}
	case c.HTTP != nil:
		return []*Name{c.HTTP.URL, c.HTTP.Node, c.HTTP.Pod, c.HTTP.Service, c.HTTP.Selector, c.HTTP.Path}
	case c.Log != nil:
		return []*Name{c.Log.Pod}
	case c.Event != nil:
		return []*Name{c.Event.Name}
	case c.Exec != nil:
		return append([]*Name{c.Exec.Pod}, c.Exec.Command...)
	case c.Node != nil:
		return []*Name{c.Node.On, c.Node.Run}
	case c.Triggered != nil && c.Triggered.Delete != nil:
		return []*Name{c.Triggered.Delete.Name, c.Triggered.Delete.Selector}
	}
	return nil
}

// String is the place as FILE:LINE:COLUMN.
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }
