package quiz

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/run"
)

// Session is one attempt at a quiz. Start opens it, then Next and Answer take
// turns until Next has nothing left; Close takes the world away, at the end
// and when the learner leaves before it. What was answered is kept at once.
type Session struct {
	Env     *labs.Env
	Quiz    *Quiz
	Cluster *check.Cluster
	Store   *progress.Store
	// Namespace is where the world is; the proof has one of its own.
	Namespace string
	// Seed makes the attempt; 0 goes on with the open one, or draws one.
	Seed uint64

	drawn map[string]string
}

// New makes the session of a quiz. Nothing is sent or written yet.
func New(env *labs.Env, z *Quiz) (*Session, error) {
	cluster, err := check.New(env)
	if err != nil {
		return nil, err
	}
	return &Session{Env: env, Quiz: z, Cluster: cluster, Store: run.StoreFor(env), Namespace: z.Namespace()}, nil
}

// Start opens an attempt, or goes on with the one that is open unless a seed
// was given, and sets the world up. resumed is how many questions are done.
func (s *Session) Start(ctx context.Context, say run.Say) (resumed int, err error) {
	err = s.Store.Update(func(all *progress.State) error {
		st := all.Quiz(s.Quiz.Key())
		if open := st.Open; open != nil && s.Seed == 0 {
			s.Seed, resumed = open.Seed, len(open.Answers)
			return nil
		}
		giveUp(st)
		for s.Seed == 0 {
			s.Seed = rand.Uint64()
		}
		st.Open = &progress.QuizAttempt{Seed: s.Seed, Started: now()}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return resumed, s.build(ctx, say)
}

// vars are the attempt's own variables.
func (s *Session) vars() map[string]string {
	if s.drawn == nil {
		s.drawn = run.Variables(&format.Lab{Vars: s.Quiz.Vars}, s.Seed)
	}
	return s.drawn
}

// attempt is the open attempt.
func (s *Session) attempt() (*progress.QuizAttempt, error) {
	all, err := s.Store.Load()
	if err != nil {
		return nil, err
	}
	open := all.Quiz(s.Quiz.Key()).Open
	if open == nil {
		return nil, errors.New("this quiz is not under way")
	}
	return open, nil
}

// Next gives the first question that is not done with, and its number; nil
// when there is none left. A question that can't be asked of this cluster is
// noted as skipped, told, and passed over.
func (s *Session) Next(ctx context.Context, say run.Say) (a *Asked, number int, err error) {
	open, err := s.attempt()
	if err != nil {
		return nil, 0, err
	}
	for i := range s.Quiz.Questions {
		q := &s.Quiz.Questions[i]
		if open.Answered(q.ID) {
			continue
		}
		a, err := s.compute(ctx, q)
		var not *NotNowError
		switch {
		case errors.As(err, &not):
			if err := s.record(progress.QuizAnswer{Question: q.ID, Skipped: not.Reason}); err != nil {
				return nil, 0, err
			}
			say(skipped(i+1, not.Reason))
		case err != nil:
			return nil, 0, err
		default:
			return a, i + 1, nil
		}
	}
	return nil, 0, nil
}

// Answer grades an answer and keeps it. No given answer means "I don't know".
func (s *Session) Answer(ctx context.Context, a *Asked, given []string) (Verdict, error) {
	v := s.grade(ctx, a, given)
	return v, s.record(progress.QuizAnswer{Question: a.Question.ID, Given: given, Right: v.Right})
}

func (s *Session) record(answer progress.QuizAnswer) error {
	return s.Store.Update(func(all *progress.State) error {
		open := all.Quiz(s.Quiz.Key()).Open
		if open == nil || open.Seed != s.Seed {
			return errors.New("another `nori quiz` has begun this quiz anew meanwhile")
		}
		if !open.Answered(answer.Question) {
			open.Answers = append(open.Answers, answer)
		}
		return nil
	})
}

// Finish closes the attempt and gives it, with the best one before it, which
// is nil at the first time.
func (s *Session) Finish() (done progress.QuizAttempt, best *progress.QuizAttempt, err error) {
	err = s.Store.Update(func(all *progress.State) error {
		st := all.Quiz(s.Quiz.Key())
		if st.Open == nil || st.Open.Seed != s.Seed {
			return errors.New("another `nori quiz` has begun this quiz anew meanwhile")
		}
		if b := st.Best(); b != nil {
			earlier := *b
			best = &earlier
		}
		done = *st.Open
		done.Ended, done.Finished = now(), true
		st.History, st.Open = append(st.History, done), nil
		return nil
	})
	return done, best, err
}

// now is in whole seconds, as the rest of the progress is.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// giveUp moves an open attempt to the history; one without a single answer
// leaves no trace.
func giveUp(st *progress.Quiz) {
	if st.Open != nil && len(st.Open.Answers) > 0 {
		st.Open.Ended = now()
		st.History = append(st.History, *st.Open)
	}
	st.Open = nil
}

func skipped(number int, reason string) string {
	return lang.T(fmt.Sprintf("Question %d is left out and doesn't count: %s.", number, reason),
		fmt.Sprintf("%d번 문제는 건너뛰고 점수에 넣지 않습니다. %s.", number, reason))
}

// Ask works one question of the attempt out, whether it is done with or not.
func (s *Session) Ask(ctx context.Context, id string) (*Asked, error) {
	q := s.Quiz.Question(id)
	if q == nil {
		return nil, fmt.Errorf("the quiz %s has no question %q", s.Quiz.Topic, id)
	}
	return s.compute(ctx, q)
}
