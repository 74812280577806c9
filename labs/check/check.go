// Package check is the checks of a lab: how lab.yaml writes them, and how they
// look at a cluster and say whether it is as the lab wants it, and if not, what
// was expected, what is, and why. All of them only read, but for the triggered
// ones.
//
// A kind of check is a file of its own and a row of the table in kinds.go. Its
// type documents its fields in lab.yaml, and the variables that it offers to
// expressions. What a triggered check can do is a file act_*.go each and a row
// of the table in acts.go. To read and validate a check, no cluster is needed.
package check

import (
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/field"
)

// Check is one condition of a step: one of the kinds, by its name, and
//
//	id                     names it within its step
//	expr                   must be true for the check to hold
//	expect, explain, fact  what should be, why it isn't yet, and what is when
//	                       the check holds, {en: …, ko: …}; without them the
//	                       check of a step must say them (see format.Load)
//	within                 the time limit; see DefaultWithin
//	given                  the checks of the same step without which this one means
//	                       nothing: until they hold it is not looked at
type Check struct {
	ID                    string
	Kind                  Kind `yaml:"-"`
	Expr                  *field.Expr
	Expect, Explain, Fact *field.Words
	Within                time.Duration
	Given                 []string
	At                    problem.Pos `yaml:"-"`
	// kinds is how many were written; Kind is the first.
	kinds int
}

// DefaultWithin is the time limit of a check that names none. A triggered
// check adds its own waiting to it.
const DefaultWithin = 10 * time.Second

// UnmarshalStrict reads the kind by its name, and what all checks have.
func (c *Check) UnmarshalStrict(d *strict.Decoder, n *yaml.Node) {
	c.At = d.At(n)
	found := kinds.read(d, n, []strict.Field{{Name: "id", Into: &c.ID}}, []strict.Field{
		{Name: "expr", Into: &c.Expr}, {Name: "expect", Into: &c.Expect}, {Name: "explain", Into: &c.Explain},
		{Name: "fact", Into: &c.Fact}, {Name: "within", Into: &c.Within}, {Name: "given", Into: &c.Given},
	})
	if c.kinds = len(found); c.kinds > 0 {
		c.Kind = found[0]
	}
}

// Validate finds mistakes: one kind, complete, with its texts compiled against
// what that kind offers, and the extra variables.
func (c *Check) Validate(v *field.Validator, extra ...string) {
	if c.kinds != 1 {
		v.Fail(c.At, "check %q: want exactly one of %s; found %d", c.ID, strings.Join(kinds.names(), ", "), c.kinds)
		return
	}
	if t := c.Triggered(); t != nil && t.Then != nil && t.Then.ID == "" {
		t.Then.ID = c.ID
	}
	c.Kind.Validate(v)
	variables := append(c.Kind.Variables(), extra...)
	if k, ok := c.Kind.(exprless); ok && !k.TakesExpr() {
		if c.Expr != nil {
			v.Fail(c.Expr.At, "check %q: this kind takes no expr", c.ID)
		}
	} else {
		v.Condition(c.Expr, c.At, variables...)
	}
	for _, w := range []*field.Words{c.Expect, c.Explain, c.Fact} {
		v.Words(w, variables...)
	}
}

// Triggered is what the check acts with; nil if it only looks.
func (c *Check) Triggered() *Triggered {
	t, _ := c.Kind.(*Triggered) // another kind is none
	return t
}

// Watches are the live objects whose changes are worth another look. live says
// that the check depends on nothing else, so that it need not be looked at in
// between.
func (c *Check) Watches() (objects []Watched, live bool) {
	if k, ok := c.Kind.(watcher); ok {
		return k.Watches()
	}
	return nil, false
}

// Files visits the files of the lab that the check refers to.
func (c *Check) Files(visit func(at problem.Pos, name string)) {
	if k, ok := c.Kind.(filer); ok {
		k.Files(visit)
	}
}
