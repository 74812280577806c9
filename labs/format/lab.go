package format

import (
	"io/fs"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/field"
)

// Lab is one loaded lab. Everything in it has been checked.
type Lab struct {
	// ID is small letters, digits and single dashes; it names the lab in
	// commands.
	ID string
	// Title is how the lab is listed.
	Title lang.Text
	// Summary is one line that is listed with it.
	Summary lang.Text
	// Minutes is how long the lab takes.
	Minutes int
	// Level is from 1 (first steps) to 4 (on call).
	Level int
	// Needs are the ids of the labs to have done.
	Needs []string
	// Testbed is what it runs on.
	Testbed Testbed
	// Alone makes the proof go its ways one after another, because what the
	// lab does to the cluster would be in the way of others.
	Alone bool
	// Namespace is where the lab works; lab-ID unless named.
	Namespace string
	// Vars are the learner's variables, by name: {{vars.color}}.
	Vars map[string]Var
	// Setup prepares the lab, entry after entry.
	Setup []Setup
	// Steps are done one after another.
	Steps []Step
	// Learnt is what the lab ends by saying, point by point.
	Learnt []lang.Text
	// Sources are where in Noriter's source that is done.
	Sources []Source
	// Wrong are the fixes that must fail.
	Wrong []Way
	// Other are the fixes that are right as well as the solution.
	Other []Way
	// Allowed are the derived ways of the proof that are right after all.
	Allowed []Allowed

	// FS is the lab's folder.
	FS fs.FS `yaml:"-"`
	// Path is where the folder of a lab from elsewhere lies; a built-in lab has none.
	Path string `yaml:"-"`
	// Twin says that a built-in lab has the same id as this one from elsewhere.
	Twin bool `yaml:"-"`
	// Hash names all that is in the folder of a lab from elsewhere.
	Hash string `yaml:"-"`
	// Prose is the text by language ("en", "ko").
	Prose map[string]*Prose `yaml:"-"`
}

// Key names the lab in what is kept of a learner: two labs from elsewhere may have the
// same id, or one that is built in.
func (l *Lab) Key() string {
	if l.Path == "" {
		return l.ID
	}
	return l.ID + keyMark + l.Path
}

const keyMark = "@"

// Folder is the name of the folder with the lab's files.
func (l *Lab) Folder() string {
	if l.Twin { // its files are not those of the built-in lab
		return l.ID + "-elsewhere"
	}
	return l.ID
}

// PathOf is the path in a key; empty for a built-in lab.
func PathOf(key string) string {
	_, path, _ := strings.Cut(key, keyMark) // an id has no mark
	return path
}

// Forgotten is the lab of a key, without anything that is in its folder.
func Forgotten(key string) *Lab {
	id, path, _ := strings.Cut(key, keyMark)
	return &Lab{ID: id, Path: path}
}

// Word is how the lab is named in commands: by its id, or by its path as a shell wants it.
func (l *Lab) Word() string {
	if l.Path == "" {
		return l.ID
	}
	return shell.Word(l.Path)
}

// Step gives a step by its id, or nil.
func (l *Lab) Step(id string) *Step {
	for i := range l.Steps {
		if l.Steps[i].ID == id {
			return &l.Steps[i]
		}
	}
	return nil
}

// Index is the place of a step, from zero, or -1.
func (l *Lab) Index(id string) int {
	for i := range l.Steps {
		if l.Steps[i].ID == id {
			return i
		}
	}
	return -1
}

// Points is what the lab is worth without hints.
func (l *Lab) Points() int {
	sum := 0
	for _, s := range l.Steps {
		sum += s.Points
	}
	return sum
}

// Testbed is what a lab runs on: at least so many workers that are ready, or
// any Kubernetes ("any").
type Testbed struct {
	Any bool `yaml:"-"`
	// Nodes is how many workers must be ready.
	Nodes int
}

// UnmarshalStrict reads either "any" or {nodes: N}.
func (t *Testbed) UnmarshalStrict(d *strict.Decoder, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Value == "any" {
		t.Any = true
		return
	}
	type plain Testbed
	d.Value(n, (*plain)(t))
}

// Setup is one idempotent action that prepares the lab. One field besides If
// is set.
type Setup struct {
	// If is a condition over the learner's variables and the lab's pods; where
	// it is false, the entry is left out.
	If *field.Expr
	// Manifest is a file below setup/, applied into the lab's namespace. It may
	// have {{vars.x}} and {{ns}} in it.
	Manifest string
	// Node is a command on machines.
	Node *NodeCommand
	// Wait holds until a check does.
	Wait *check.Check
	At   problem.Pos `yaml:"-"`
}

// NodeCommand is a command on machines, and the one that takes it back when the
// lab is reset or removed. Undo runs whatever If came to, and so must do no
// harm where Run did nothing. All may have {{expressions}}.
type NodeCommand struct {
	// On is a machine's name, "workers" or "all".
	On   *field.Name
	Run  *field.Name
	Undo *field.Name
	At   problem.Pos `yaml:"-"`
}

// Source is a place in Noriter's source that a lab ends by pointing at: the path
// of a package or file, and with Func a function in it ("sync", or with its type
// "Controller.sync"), which is shown with file and line.
type Source struct {
	Path string
	Func string
	// What says what it does.
	What lang.Text
	At   problem.Pos `yaml:"-"`
}

// The values of Step.Hold.
const (
	Once     = "once"
	UntilEnd = "until-end"
)

// Step is one thing to do.
type Step struct {
	// ID names the step, and its section in the texts.
	ID string
	// Points is what it is worth; 10 unless given.
	Points int
	// Hold is Once (the default), or UntilEnd: then it must still hold when
	// the lab ends.
	Hold string
	// Limit is how long the solution may take to make it pass, for the proof;
	// a minute unless given.
	Limit time.Duration
	// Cost is what each tier of hints takes from the points.
	Cost []int
	// Remember notes facts when the step is opened; checks see them as `seen`.
	Remember map[string]Memory
	// Picture is drawn beside the text; nil is none.
	Picture *Picture
	// When are the computed hints.
	When []When
	// Checks must all hold.
	Checks []check.Check
	At     problem.Pos `yaml:"-"`
}

// Check gives a check by its id, or nil.
func (s *Step) Check(id string) *check.Check {
	for i := range s.Checks {
		if s.Checks[i].ID == id {
			return &s.Checks[i]
		}
	}
	return nil
}

// Memory is a fact noted when a step is opened: what expr gives, which sees
// `object` or `items` where object or list is given.
type Memory struct {
	Object *check.Object
	List   *check.List
	Expr   *field.Expr
	At     problem.Pos `yaml:"-"`
}

// When is a computed hint: while expr holds, which sees `object` or `items`
// where object or list is given, the hint is shown.
type When struct {
	Object *check.Object
	List   *check.List
	Expr   *field.Expr
	// Hint is its name in the texts: `### hint NAME`.
	Hint string
	At   problem.Pos `yaml:"-"`
}

// Shortcuts are the kinds of ways that the proof derives by itself, and "ahead": that the
// solution of the next step solves a step as well. Package prove says what they are.
var Shortcuts = []string{"without", "elsewhere", "matched", "orphaned", "scaled", "gone", "twice", "otherwise", "answered",
	"printed", "named", "versioned", "machine", "written", "pulled", "tagged", "early", "ahead"}

// Allowed is a way that the proof derives by itself, "STEP/KIND" or "STEP/KIND-PART", or
// several for the same reason, and that is right after all, or can't be gone; the author
// says why.
type Allowed struct {
	Way  string
	Ways []string
	Why  lang.Text
	At   problem.Pos `yaml:"-"`
}

// All are the ways that it is about.
func (a *Allowed) All() []string {
	if a.Way == "" {
		return a.Ways
	}
	return append([]string{a.Way}, a.Ways...)
}

// IsAllowed gives what the lab says of a derived way, or nil.
func (l *Lab) IsAllowed(way string) *Allowed {
	for i := range l.Allowed {
		if slices.Contains(l.Allowed[i].All(), way) {
			return &l.Allowed[i]
		}
	}
	return nil
}

// Way is a script of the four-way proof: Script is typed in place of the
// solution of Step. A wrong one must fail at the check Trips.
type Way struct {
	Script string
	Step   string
	Trips  string
	// Why says why it is wrong, or right as well.
	Why lang.Text
	At  problem.Pos `yaml:"-"`
}
