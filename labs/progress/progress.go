// Package progress keeps what a learner has done: which step of which lab,
// what passed and why, hints, points, and the history of attempts. The file
// is replaced whole, never written in place, so that a power cut at any
// moment leaves either the old state or the new one.
package progress

import (
	"time"

	"noriter.dev/noriter/internal/lang"
)

// Version is the format of the file. A newer one is refused, not guessed at (see
// format.Check).
const Version = 1

// State is the whole file.
type State struct {
	Version int    `json:"version"`
	Nori    string `json:"nori,omitempty"` // that wrote it
	Learner string `json:"learner"`
	Testbed string `json:"testbed"`
	// Current is the lab that is open, or empty.
	Current string          `json:"current,omitempty"`
	Labs    map[string]*Lab `json:"labs"`
	// Quizzes is by topic.
	Quizzes map[string]*Quiz `json:"quizzes,omitempty"`
}

// Phase is where a lab is in its life. SettingUp, Resetting and Rebuilding
// are noted before the work begins, so that one that was interrupted is
// completed at the next start.
type Phase string

// The phases of a lab.
const (
	SettingUp  Phase = "setting-up"
	Resetting  Phase = "resetting"
	Rebuilding Phase = "rebuilding"
	Underway   Phase = "open"
	Done       Phase = "done"
)

// Lab is the state of one lab.
type Lab struct {
	Phase Phase `json:"phase"`
	// Seed makes the learner's variables; they stay through resets.
	Seed      uint64            `json:"seed"`
	Vars      map[string]string `json:"vars,omitempty"`
	Namespace string            `json:"namespace"`
	Started   time.Time         `json:"started"`
	// Step is the step that is open.
	Step  string           `json:"step"`
	Steps map[string]*Step `json:"steps"`
	// History has one entry for every attempt that ended, oldest first.
	History []Attempt `json:"history,omitempty"`
}

// Step is the state of one step.
type Step struct {
	Opened time.Time `json:"opened"`
	// Ready says that Seen has been noted.
	Ready  bool           `json:"ready"`
	Seen   map[string]any `json:"seen,omitempty"`
	Passed *time.Time     `json:"passed,omitempty"`
	// Before is what a learner might break, as it was when the step was opened.
	Before map[string]string `json:"before,omitempty"`
	// Facts are what made it pass, in English, and FactsKO in Korean. An older nori wrote
	// Facts alone, in the language of whoever was there.
	Facts   []string `json:"facts,omitempty"`
	FactsKO []string `json:"factsKo,omitempty"`
	// Hints is how many tiers were taken, Solved whether it was solved for
	// the learner, Tries how often the picture changed without passing.
	Hints  int  `json:"hints,omitempty"`
	Solved bool `json:"solved,omitempty"`
	Tries  int  `json:"tries,omitempty"`
	// Read are the free hints that applied when help was asked for.
	Read []string `json:"read,omitempty"`
	// Acted is when something was last tried out in vain, whoever did, and Rest how long
	// nobody who only watches tries again.
	Acted time.Time     `json:"acted,omitzero"`
	Rest  time.Duration `json:"rest,omitempty"`
}

// Pass notes that the step has passed, and what made it.
func (s *Step) Pass(at time.Time, facts []lang.Text) {
	s.Unpass()
	s.Passed = &at
	for _, f := range facts {
		s.Facts, s.FactsKO = append(s.Facts, f.EN), append(s.FactsKO, f.KO)
	}
}

// Unpass takes back that the step has passed.
func (s *Step) Unpass() { s.Passed, s.Facts, s.FactsKO = nil, nil, nil }

// Told are the facts in the language of whoever looks.
func (s *Step) Told() []string {
	if lang.Current() == lang.Korean && len(s.FactsKO) > 0 {
		return s.FactsKO
	}
	return s.Facts
}

// Attempt is a finished or given-up run through a lab.
type Attempt struct {
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Finished bool      `json:"finished"`
	Points   int       `json:"points"`
	Max      int       `json:"max"`
	Passed   int       `json:"passed"`
	Steps    int       `json:"steps"`
}

// Best is the highest score of the finished attempts.
func (l *Lab) Best() (points int, ok bool) {
	for _, a := range l.History {
		if a.Finished && (!ok || a.Points > points) {
			points, ok = a.Points, true
		}
	}
	return points, ok
}

// StepState gives the state of a step, which it makes if there is none.
func (l *Lab) StepState(id string) *Step {
	if l.Steps == nil {
		l.Steps = map[string]*Step{}
	}
	if l.Steps[id] == nil {
		l.Steps[id] = &Step{}
	}
	return l.Steps[id]
}

// Passed tells whether a step has passed.
func (l *Lab) Passed(id string) bool {
	s := l.Steps[id]
	return s != nil && s.Passed != nil
}
