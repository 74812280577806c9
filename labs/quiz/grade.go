package quiz

import (
	"context"
	"slices"
	"strings"
)

// Verdict is what came of an answer.
type Verdict struct {
	Right bool
	// Notes explain what is wrong in the answer.
	Notes []Note
	// Missed are right options of a multi that were not taken.
	Missed []string
}

// Note explains one wrong answer.
type Note struct{ Given, Why string }

// Acceptable tells whether an answer has the form that the question wants. One
// that hasn't is asked for again and doesn't count.
func (a *Asked) Acceptable(given string) bool {
	if a.Question.Kind == Text && a.Pair() {
		return strings.ContainsAny(given, "=:")
	}
	if a.Question.Kind != Number {
		return true
	}
	_, ok := number(given)
	return ok
}

// Pair tells whether what is wanted is a key and its value: "site=north".
func (a *Asked) Pair() bool {
	return len(a.Right) > 0 && !slices.ContainsFunc(a.Right, func(r string) bool { return !strings.Contains(r, "=") })
}

// Grade judges an answer: the options that were taken, or the one that was
// typed. No answer is a wrong one.
func (a *Asked) Grade(given []string) Verdict {
	v := Verdict{Right: len(given) > 0}
	for _, g := range given {
		if a.holds(a.Right, g) {
			continue
		}
		v.Right = false
		v.Notes = append(v.Notes, Note{Given: g, Why: a.whyWrong(g)})
	}
	if a.Question.Kind == Multi {
		for _, r := range a.Right {
			if !slices.Contains(given, r) {
				v.Right = false
				v.Missed = append(v.Missed, r)
			}
		}
	} else if len(given) > 1 {
		v.Right = false
	}
	return v
}

// whyWrong is empty for a mistake that nobody thought of.
func (a *Asked) whyWrong(given string) string {
	for value, why := range a.why {
		if a.same(value, given) {
			return why
		}
	}
	return ""
}

// grade judges an answer by the cluster as it was when the question was asked
// and, where that makes it wrong, as it is now: whoever looked meanwhile and
// saw a pod's new address isn't wrong.
func (s *Session) grade(ctx context.Context, a *Asked, given []string) Verdict {
	v := a.Grade(given)
	if v.Right || !a.Question.Computed() {
		return v
	}
	if again, err := s.compute(ctx, a.Question); err == nil && again.Grade(given).Right {
		return Verdict{Right: true}
	}
	return v
}
