// Package quiz asks a learner about their own cluster. A quiz belongs to a
// topic, which is the id of a lab. It sets a little world of its own up in a
// namespace, works most of the right answers out from what is in the cluster
// at that moment, and takes the world away again. So answers can't be copied
// from a neighbour, and they make sense right after `nori up` as well.
//
// A quiz is a folder of content:
//
//	content/TOPIC/quiz.yaml    the questions, in both languages
//	content/TOPIC/world.yaml   the objects of its world (may be missing)
//
// Package screen shows it; this package prints nothing.
package quiz

import (
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/field"
	"noriter.dev/noriter/labs/format"
)

// Quiz is one topic. Everything in it has been checked.
type Quiz struct {
	// Topic is the id of the lab that the quiz belongs to.
	Topic string
	Title lang.Text
	// Vars are drawn for every attempt, by its seed. World, questions and
	// answers may use them.
	Vars map[string]format.Var
	// Objects are lists of live objects that expressions see by these names,
	// beside `pods`, the pods of the quiz's own namespace.
	Objects map[string]Objects
	// Ready must hold before the first question is asked.
	Ready     []Ready
	Questions []Question

	// Path is where the folder of a quiz from elsewhere lies; a built-in one has none.
	Path string `yaml:"-"`
	// Twin says that a built-in quiz has the same topic as this one from elsewhere.
	Twin bool `yaml:"-"`
	// Hash names all that is in the folder of a quiz from elsewhere.
	Hash string `yaml:"-"`

	// world is the template of the world's manifest; empty if there is none.
	world string
}

// Objects says which live objects a list holds. The namespace is the quiz's
// own unless named; "*" means all.
type Objects struct {
	Kind       string
	APIVersion string `yaml:"apiVersion"`
	Namespace  string
	At         problem.Pos `yaml:"-"`
}

// Ready is a condition that the world must come to.
type Ready struct {
	What lang.Text
	Expr *field.Expr
	At   problem.Pos `yaml:"-"`
}

// The kinds of questions.
const (
	Choice = "choice" // one of several
	Multi  = "multi"  // all that are right, of several
	Number = "number" // a whole number
	Text   = "text"   // a word
)

// kinds lists them for messages.
var kinds = []string{Choice, Multi, Number, Text}

// Question is one question. Right and Wrong are what a choice or multi offers.
// For number and text, any value of Right is accepted, and Wrong are the
// mistakes that are likely enough to be explained.
type Question struct {
	ID   string
	Kind string
	Ask  *field.Words
	// If leaves the question out where it makes no sense, such as a question
	// about two workers where there is one.
	If    *field.Expr
	Right []Value
	Wrong []Value
	// Explain says why the right answer is right.
	Explain *field.Words
	// See is the command that shows the answer, as a learner would type it.
	See string
	// Proof is a shell command that prints the right answer and nothing
	// else. `nori quiz prove` holds the computed answer against it.
	Proof string
	At    problem.Pos `yaml:"-"`
}

// Value is one answer, or several: either a text, the same everywhere, or
// worked out from the cluster by an expression, which may give a list. What is
// right is dropped from what is wrong, so that "every node" may stand there.
type Value struct {
	Text *field.Words
	Expr *field.Expr
	// Why explains a wrong value; its expressions see the value as `item`.
	Why *field.Words
	At  problem.Pos `yaml:"-"`
}

// Computed tells whether the right answer depends on the cluster.
func (q *Question) Computed() bool {
	for _, v := range q.Right {
		if v.Expr != nil {
			return true
		}
	}
	return false
}

// Question gives a question by its id, or nil.
func (z *Quiz) Question(id string) *Question {
	for i := range z.Questions {
		if z.Questions[i].ID == id {
			return &z.Questions[i]
		}
	}
	return nil
}

// Key names the quiz in what is kept of a learner.
func (z *Quiz) Key() string {
	if z.Twin { // its scores are not those of the built-in quiz
		return z.Topic + "@" + z.Path
	}
	return z.Topic
}

// Word is how the quiz is named in commands: by its topic or its path.
func (z *Quiz) Word() string {
	l := format.Lab{ID: z.Topic, Path: z.Path}
	return l.Word()
}

// Effects are what the quiz does beyond looking.
func (z *Quiz) Effects() format.Effects {
	e := format.Effects{Namespace: z.Namespace()}
	e.Manifest("world.yaml", z.world)
	for i := range z.Questions {
		if p := z.Questions[i].Proof; p != "" {
			e.Typed = append(e.Typed, p)
		}
	}
	return e
}

// Namespace is where the quiz's world is.
func (z *Quiz) Namespace() string { return "quiz-" + z.Topic }
