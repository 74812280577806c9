package format

import (
	"cmp"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/field"
)

// checkWords wants every check of every step to speak in the learner's language.
func (l *Lab) checkWords(file string) problem.List {
	v := &field.Validator{File: file}
	for i := range l.Steps {
		for j := range l.Steps[i].Checks {
			inWords(v, &l.Steps[i].Checks[j])
		}
	}
	return v.Problems
}

// inWords wants a check to say what should be, why it isn't, and what is when it holds. An
// object that shall be absent says itself that it is still there, and a triggered check may
// leave why and what to the check in its then.
func inWords(v *field.Validator, c *check.Check) {
	then := &check.Check{}
	if t := c.Triggered(); t != nil {
		then = t.Then
	}
	object, _ := c.Kind.(*check.Object)
	for _, w := range []struct {
		name  string
		words *field.Words
	}{{"expect", c.Expect}, {"explain", cmp.Or(c.Explain, then.Explain)}, {"fact", cmp.Or(c.Fact, then.Fact)}} {
		if w.words == nil && !(w.name == "explain" && object != nil && object.Absent) {
			v.Fail(c.At, "check %q: %s is missing: a learner would have to read the expression", c.ID, w.name)
		}
	}
}
