package progress

import "time"

// Quiz is what a learner has done of the quiz on one topic.
type Quiz struct {
	// Open is the attempt that is under way; every answer is in it as soon as
	// it has been given.
	Open *QuizAttempt `json:"open,omitempty"`
	// History has one entry for every attempt that ended, oldest first.
	History []QuizAttempt `json:"history,omitempty"`
}

// QuizAttempt is one run through a quiz.
type QuizAttempt struct {
	// Seed makes the variables and the order of the choices.
	Seed     uint64       `json:"seed"`
	Started  time.Time    `json:"started"`
	Ended    time.Time    `json:"ended,omitzero"`
	Finished bool         `json:"finished"`
	Answers  []QuizAnswer `json:"answers"`
}

// QuizAnswer is what was answered to one question.
type QuizAnswer struct {
	Question string   `json:"question"`
	Given    []string `json:"given,omitempty"`
	Right    bool     `json:"right"`
	// Skipped says why the question could not be asked; it doesn't count.
	Skipped string `json:"skipped,omitempty"`
}

// Score is how many questions were answered rightly, of those that were asked.
func (a *QuizAttempt) Score() (right, asked int) {
	for _, q := range a.Answers {
		if q.Skipped != "" {
			continue
		}
		asked++
		if q.Right {
			right++
		}
	}
	return right, asked
}

// Answered tells whether a question of the attempt is done with.
func (a *QuizAttempt) Answered(question string) bool {
	for _, q := range a.Answers {
		if q.Question == question {
			return true
		}
	}
	return false
}

// Best is the finished attempt with the largest share of right answers; the
// latest of several, and nil if there is none.
func (q *Quiz) Best() *QuizAttempt {
	if q == nil {
		return nil
	}
	var best *QuizAttempt
	for i := range q.History {
		a := &q.History[i]
		if a.Finished && (best == nil || !better(best, a)) {
			best = a
		}
	}
	return best
}

// better compares shares without dividing.
func better(a, b *QuizAttempt) bool {
	aRight, aOf := a.Score()
	bRight, bOf := b.Score()
	return aRight*bOf > bRight*aOf
}

// Quiz gives the state of a topic's quiz, which it makes if there is none.
func (s *State) Quiz(topic string) *Quiz {
	if s.Quizzes == nil {
		s.Quizzes = map[string]*Quiz{}
	}
	if s.Quizzes[topic] == nil {
		s.Quizzes[topic] = &Quiz{}
	}
	return s.Quizzes[topic]
}
