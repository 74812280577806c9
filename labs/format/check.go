package format

import (
	"time"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/field"
)

// Check is one condition of a step. Exactly one of the kinds is set.
type Check struct {
	ID string
	// The kinds. What each of them offers to Expr is in kindVariables.
	Object    *Object
	List      *List
	HTTP      *HTTP
	DNS       *DNS
	Log       *Log
	Event     *Event
	Exec      *Exec
	Node      *NodeCheck
	Triggered *Triggered
	Script    *Script

	// Expr must be true for the check to hold.
	Expr *field.Expr
	// Expect says what should be, Explain why it isn't yet, Fact what is
	// when the check holds. Without them the expression speaks for itself.
	Expect, Explain, Fact *field.Words
	// Within is the check's time limit; 0 means DefaultWithin.
	Within time.Duration
	At     problem.Pos `yaml:"-"`
}

// DefaultWithin is the time limit of a check that names none. A triggered
// check adds its own waiting to it.
const DefaultWithin = 10 * time.Second

// Kind names the kind that is set, as lab.yaml spells it.
func (c *Check) Kind() string {
	switch {
	case c.Object != nil:
		return "object"
	case c.List != nil:
		return "list"
	case c.HTTP != nil:
		return "http"
	case c.DNS != nil:
		return "dns"
	case c.Log != nil:
		return "log"
	case c.Event != nil:
		return "event"
	case c.Exec != nil:
		return "exec"
	case c.Node != nil:
		return "node"
	case c.Triggered != nil:
		return "triggered"
	case c.Script != nil:
		return "script"
	}
	return ""
}

// Watched tells whether the check depends on live objects only, so that a
// watch on them is enough to know when to look again.
func (c *Check) Watched() bool { return c.Object != nil || c.List != nil }

// Object is one live object; the expression sees it as `object`, which is
// null while it isn't there.
type Object struct {
	Kind       string
	APIVersion string `yaml:"apiVersion"`
	Name       *field.Name
	// Namespace is the lab's unless named; it is ignored for kinds without.
	Namespace *field.Name
	// Absent means that the object must not be there.
	Absent bool
	At     problem.Pos `yaml:"-"`
}

// List is the live objects of a kind; the expression sees them as `items`,
// ordered by name.
type List struct {
	Kind       string
	APIVersion string `yaml:"apiVersion"`
	Selector   *field.Name
	Namespace  *field.Name
	At         problem.Pos `yaml:"-"`
}

// Log is what a container printed: `log` and `lines`. With Selector it is
// that of all pods with the label, one after another.
type Log struct {
	Pod       *field.Name
	Selector  *field.Name
	Container string
	Tail      int
	Previous  bool
	At        problem.Pos `yaml:"-"`
}

// Event is the events of the lab's namespace that fit: `items`. Since is how
// far to look back; 0 means an hour.
type Event struct {
	Kind   string
	Name   *field.Name
	Reason string
	Since  time.Duration
	At     problem.Pos `yaml:"-"`
}

// Exec is a command in a container: `stdout`, `stderr`, `code`. It must not
// change anything.
type Exec struct {
	Pod       *field.Name
	Container string
	Command   []*field.Name
	At        problem.Pos `yaml:"-"`
}

// NodeCheck is a command on a machine: `stdout`, `stderr`, `code`. It must
// not change anything.
type NodeCheck struct {
	On  *field.Name
	Run *field.Name
	At  problem.Pos `yaml:"-"`
}

// Script is the last resort: a file of the lab, run on the host with
// KUBECONFIG set: `stdout`, `stderr`, `code`.
type Script struct {
	Run string
	At  problem.Pos `yaml:"-"`
}

// variables are what the check's kind adds to the common variables.
func (c *Check) variables() []string {
	if c.HTTP != nil && c.HTTP.Several() {
		return []string{"answers", "pages"}
	}
	return kindVariables[c.Kind()]
}

var kindVariables = map[string][]string{
	"object": {"object"},
	"list":   {"items"},
	"event":  {"items"},
	"http":   {"status", "code", "body", "headers", "target", "error"},
	"dns":    {"addresses", "rcode", "error"},
	"log":    {"log", "lines"},
	"exec":   {"stdout", "stderr", "code"},
	"node":   {"stdout", "stderr", "code"},
	"script": {"stdout", "stderr", "code"},
}
