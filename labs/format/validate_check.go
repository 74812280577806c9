package format

import (
	"regexp"
	"sort"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/expr"
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
		v.fail(c.At, "check %q: want exactly one of object, list, http, dns, log, event, exec, node, triggered, script; found %d", c.ID, kinds)
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
	case c.DNS != nil:
		v.dns(c.DNS)
	case c.Log != nil:
		if (c.Log.Pod == nil) == (c.Log.Selector == nil) {
			v.fail(c.Log.At, "log: want pod or selector")
		}
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

func (v *validator) need(at problem.Pos, kind, field string, there bool) {
	if !there {
		v.fail(at, "%s: %s is missing", kind, field)
	}
}

func (v *validator) object(o *Object) {
	v.need(o.At, "object", "kind", o.Kind != "")
	v.need(o.At, "object", "name", o.Name != nil)
}

// words compiles a text in both languages.
func (v *validator) words(w *Words, variables []string) {
	if w == nil {
		return
	}
	var err error
	if w.EN, err = expr.CompileTemplate(w.Text.EN, variables...); err != nil {
		v.fail(w.At, "en: %v", err)
	}
	if w.KO, err = expr.CompileTemplate(w.Text.KO, variables...); err != nil {
		v.fail(w.At, "ko: %v", err)
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
	v.lab.eachSource(func(at problem.Pos, step *Step, source string) {
		for _, m := range usesVar.FindAllStringSubmatch(source, -1) {
			if _, ok := v.lab.Vars[m[1]]; !ok {
				v.fail(at, "vars.%s is not declared%s", m[1], strict.Suggest(m[1], declared))
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
func (l *Lab) eachSource(visit func(at problem.Pos, step *Step, source string)) {
	var step *Step
	words := func(w *Words) {
		if w != nil {
			visit(w.At, step, w.Text.EN)
			visit(w.At, step, w.Text.KO)
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
		st := &l.Setup[i]
		expression(st.If)
		if st.Node != nil {
			names(st.Node.On, st.Node.Run, st.Node.Undo)
		}
		if st.Wait != nil {
			check(st.Wait)
		}
	}
	for i := range l.Steps {
		step = &l.Steps[i]
		if p := step.Picture; p != nil {
			names(p.Name, p.Selector)
		}
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
		return c.HTTP.names()
	case c.DNS != nil:
		return []*Name{c.DNS.Name, c.DNS.From}
	case c.Log != nil:
		return []*Name{c.Log.Pod, c.Log.Selector}
	case c.Event != nil:
		return []*Name{c.Event.Name}
	case c.Exec != nil:
		return append([]*Name{c.Exec.Pod}, c.Exec.Command...)
	case c.Node != nil:
		return []*Name{c.Node.On, c.Node.Run}
	case c.Triggered != nil:
		return c.Triggered.names()
	}
	return nil
}

func (h *HTTP) names() []*Name {
	out := []*Name{h.URL, h.Node, h.Pod, h.Service, h.Selector, h.Path, h.Host, h.From, h.Port.name()}
	if h.NodePort != nil {
		out = append(out, h.NodePort.Service, h.NodePort.Port)
	}
	if h.CA != nil {
		out = append(out, h.CA.Secret)
	}
	for _, n := range h.Headers {
		out = append(out, n)
	}
	return out
}

func (t *Triggered) names() []*Name {
	d := t.Target()
	if d == nil {
		return nil
	}
	out := []*Name{d.Name, d.Selector}
	if t.Label != nil {
		for _, n := range t.Label.Labels {
			out = append(out, n)
		}
	}
	if t.Scale != nil {
		out = append(out, t.Scale.Replicas.name())
	}
	return out
}

// name is the number's template, as far as it has one, for what looks at all
// of them.
func (m *Number) name() *Name {
	switch {
	case m == nil:
	case m.template != nil:
		return &Name{Template: m.template, At: m.At}
	case m.expr != nil:
		if t, err := expr.CompileTemplate("{{" + m.expr.source + "}}"); err == nil {
			return &Name{Template: t, At: m.At}
		}
	}
	return nil
}
