package format

import (
	"time"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/field"
)

// Triggered acts, waits, and looks again. It runs when all other checks of
// its step hold. The check in Then also sees `before`: the objects that the
// act hit, as they were. Exactly one act is set; all but delete are undone
// when the check has come to its end, however it ends.
type Triggered struct {
	Delete *Delete
	Scale  *Scale
	Label  *Relabel
	Node   *NodeTrigger
	// Then must hold within Within of the act (default 30 s) …
	Then   *Check
	Within time.Duration
	// … or, where Stays is set, must hold all the time for that long, once
	// the objects that were deleted are gone.
	Stays time.Duration
	At    problem.Pos `yaml:"-"`
}

// Delete is the act of killing: objects are deleted, with their own grace.
type Delete struct {
	Kind       string
	APIVersion string `yaml:"apiVersion"`
	Name       *field.Name
	Selector   *field.Name
	// Pick is "one" (the default; the oldest that isn't being deleted) or "all".
	Pick string
	At   problem.Pos `yaml:"-"`
}

// Scale is the act of wanting another number of pods.
type Scale struct {
	Kind       string
	APIVersion string `yaml:"apiVersion"`
	Name       *field.Name
	// Replicas is a number, or an expression for it.
	Replicas *field.Number
	At       problem.Pos `yaml:"-"`
}

// Relabel is the act of changing labels. An empty value takes a label away.
type Relabel struct {
	Kind       string
	APIVersion string `yaml:"apiVersion"`
	Name       *field.Name
	Selector   *field.Name
	Pick       string
	Labels     map[string]*field.Name
	At         problem.Pos `yaml:"-"`
}

// NodeTrigger is an act on a machine. One of the acts is set.
type NodeTrigger struct {
	// On is the machine: its name, or an expression in {{ }} that gives it.
	On *field.Name
	// Stop and Start name a systemd unit.
	Stop, Start string
	// Power is "off": the machine is switched off as if its power failed.
	// Afterwards it is switched on again, and waited for until it is Ready.
	Power string
	At    problem.Pos `yaml:"-"`
}

// Target is what of an act's objects are hit, in the form of a Delete.
func (t *Triggered) Target() *Delete {
	switch {
	case t.Delete != nil:
		return t.Delete
	case t.Scale != nil:
		return &Delete{Kind: t.Scale.Kind, APIVersion: t.Scale.APIVersion, Name: t.Scale.Name, At: t.Scale.At}
	case t.Label != nil:
		l := t.Label
		return &Delete{Kind: l.Kind, APIVersion: l.APIVersion, Name: l.Name, Selector: l.Selector, Pick: l.Pick, At: l.At}
	case t.Node != nil:
		return &Delete{Kind: "Node", APIVersion: "v1", Name: t.Node.On, At: t.Node.At}
	}
	return nil
}

func (v *validator) triggered(c *Check) {
	t := c.Triggered
	acts := 0
	for _, set := range []bool{t.Delete != nil, t.Scale != nil, t.Label != nil, t.Node != nil} {
		if set {
			acts++
		}
	}
	if acts != 1 || t.Then == nil {
		v.Fail(t.At, "triggered: needs exactly one act (delete, scale, label or node) and then")
		return
	}
	v.act(t)
	if t.Then.Triggered != nil {
		v.Fail(t.Then.At, "then: a triggered check can't trigger another")
		return
	}
	if t.Then.ID == "" {
		t.Then.ID = c.ID
	}
	v.check(t.Then, "before")
}

// act validates the act that is set.
func (v *validator) act(t *Triggered) {
	d := t.Target()
	switch {
	case t.Node != nil:
		v.nodeTrigger(t.Node)
		return
	case t.Scale != nil:
		v.Need(d.At, "scale", "kind", d.Kind != "")
		v.Need(d.At, "scale", "name", d.Name != nil)
		v.Need(d.At, "scale", "replicas", t.Scale.Replicas != nil)
		v.Number(t.Scale.Replicas, "replicas", 0, 100)
		return
	case t.Label != nil:
		v.Need(d.At, "label", "labels", len(t.Label.Labels) > 0)
	}
	what := map[bool]string{true: "delete", false: "label"}[t.Delete != nil]
	v.Need(d.At, what, "kind", d.Kind != "")
	if (d.Name == nil) == (d.Selector == nil) {
		v.Fail(d.At, "%s: want name or selector", what)
	}
	if d.Pick != "" && d.Pick != "one" && d.Pick != "all" {
		v.Fail(d.At, "pick: want one or all, found %q", d.Pick)
	}
}

func (v *validator) nodeTrigger(n *NodeTrigger) {
	v.Need(n.At, "node", "on", n.On != nil)
	acts := 0
	for _, s := range []string{n.Stop, n.Start, n.Power} {
		if s != "" {
			acts++
		}
	}
	if acts != 1 {
		v.Fail(n.At, "node: want exactly one of stop: UNIT, start: UNIT, power: off")
	}
	if n.Power != "" && n.Power != "off" {
		v.Fail(n.At, "power: want off, found %q", n.Power)
	}
}
