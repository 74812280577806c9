package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"noriter.dev/noriter/internal/turn"
	"noriter.dev/noriter/labs/quiz"
)

// quizOutcome is what `nori quiz prove -o json` says of a question.
type quizOutcome struct {
	Topic, Question, Kind, Detail string
	OK, Computed                  bool
	Right, Kubectl                []string
	Wrong                         int
}

// TestQuizzes proves every quiz on real machines: what was computed is what
// kubectl says, the right answer is graded right, every other one wrong. Then
// somebody who knows nothing takes one.
func TestQuizzes(t *testing.T) {
	b := newBed(t, "quiz", "--driver", "nspawn", "--nodes", "2")
	b.up()
	b.ready(time.Minute)
	topics := turn.Mine("quizzes", quiz.Topics(), quizzesARun)
	for _, seed := range []string{"1", "7"} {
		b.proveQuizzes(seed, topics)
	}
	b.quizOfNothing()
	b.eventually(90*time.Second, "the worlds of the quizzes go", func() error {
		left := b.kubectl("get", "namespaces", "-l", "noriter.dev/quiz", "-o", "name")
		if left != "" {
			return fmt.Errorf("left: %s", left)
		}
		return nil
	})
}

// quizzesARun is how many quizzes are proven in each run; the others take turns.
const quizzesARun = 2

func (b *bed) proveQuizzes(seed string, topics []string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	out, err := b.command(ctx, append([]string{"quiz", "prove", "--seed", seed, "-o", "json"}, topics...)...).Output()
	var outcomes []quizOutcome
	if jsonErr := json.Unmarshal(out, &outcomes); jsonErr != nil {
		b.t.Fatalf("nori quiz prove: %v, %v: %s", err, jsonErr, out)
	}
	questions, computed := map[string]int{}, map[string]int{}
	for _, o := range outcomes {
		questions[o.Topic]++
		if o.Computed && len(o.Kubectl) > 0 {
			computed[o.Topic]++
		}
		if !o.OK || o.Wrong == 0 {
			b.t.Errorf("seed %s: %+v", seed, o)
		}
	}
	for _, topic := range topics {
		if questions[topic] < 6 || computed[topic] < 3 {
			b.t.Errorf("%s: %d questions, %d held against kubectl: want 6 and 3", topic, questions[topic], computed[topic])
		}
	}
	if err != nil {
		b.t.Errorf("nori quiz prove: %v", err)
	}
}

// quizOfNothing leaves a quiz after three questions, goes on with it, and
// knows no answer.
func (b *bed) quizOfNothing() {
	b.t.Helper()
	take := func(typed string) string {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		c := b.command(ctx, "--plain", "quiz", "pods")
		c.Stdin = strings.NewReader(typed)
		out, err := c.CombinedOutput()
		if err != nil {
			b.t.Fatalf("nori quiz pods: %v\n%s", err, out)
		}
		return string(out)
	}
	if out := take("\n\n\n"); !strings.Contains(out, "Question 4 of 9") || !strings.Contains(out, "Your answers are kept") {
		b.t.Errorf("left after three questions:\n%s", out)
	}
	if out := take(strings.Repeat("\n", 6)); strings.Contains(out, "Question 3 of 9") || !strings.Contains(out, "0 of 9 right.") {
		b.t.Errorf("went on:\n%s", out)
	}
	if out := b.nori("--plain", "quiz", "history", "pods"); !strings.Contains(out, "0 of 9 right") {
		b.t.Errorf("the history has no 0 of 9:\n%s", out)
	}
}
