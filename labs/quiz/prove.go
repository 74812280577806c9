package quiz

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/learner"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/run"
)

// Outcome is what the proof of one question found.
type Outcome struct {
	Topic    string `json:"topic"`
	Question string `json:"question"`
	Kind     string `json:"kind"`
	OK       bool   `json:"ok"`
	// Computed tells whether the answer was worked out from the cluster, and
	// Kubectl what kubectl printed as the same.
	Computed bool     `json:"computed"`
	Right    []string `json:"right"`
	Kubectl  []string `json:"kubectl,omitempty"`
	// Wrong is how many wrong answers were graded, and found wrong.
	Wrong int `json:"wrong"`
	// Detail says what is not as it should be.
	Detail string `json:"detail,omitempty"`
}

// proofLimit is how long one command of a proof may take.
const proofLimit = 20 * time.Second

// Prove sets the world of a quiz up in a namespace of its own and holds every
// question against it: kubectl must print the answer that was computed; the
// right answer must be graded right, and each wrong one wrong, with a reason.
// It tells of every question; an error is what kept it from going on.
func Prove(ctx context.Context, env *labs.Env, z *Quiz, seed uint64, say run.Say, report func(Outcome)) (err error) {
	who, _ := env.Scripter()
	dir, err := who.TempDir("nori-quiz-")
	if err != nil {
		return fmt.Errorf("proving the quiz %s: %w", z.Topic, err)
	}
	defer func() { err = errors.Join(err, who.RemoveAll(dir)) }()
	s, err := New(env, z)
	if err != nil {
		return err
	}
	s.Store = progress.Open(dir, who, env.Testbed)
	s.Namespace, s.Seed = "proof-"+z.Topic, seed
	defer func() { err = errors.Join(err, s.Close(ctx)) }()
	if _, err := s.Start(ctx, say); err != nil {
		return err
	}
	p := &prover{s: s, who: who, kubeconfig: filepath.Join(dir, "kubeconfig")}
	if err := s.WriteKubeconfig(who, p.kubeconfig); err != nil {
		return err
	}
	for i := range z.Questions {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		report(p.question(ctx, &z.Questions[i]))
	}
	return nil
}

type prover struct {
	s *Session
	// who is as whom kubectl is asked, with this kubeconfig.
	who        *learner.User
	kubeconfig string
}

// question proves one question in both languages.
func (p *prover) question(ctx context.Context, q *Question) Outcome {
	o := Outcome{Topic: p.s.Quiz.Topic, Question: q.ID, Kind: q.Kind, Computed: q.Computed()}
	language := lang.Current()
	defer lang.Set(language)
	other := map[string]string{lang.English: lang.Korean, lang.Korean: lang.English}[language]
	for _, l := range []string{language, other} {
		lang.Set(l)
		if err := p.inLanguage(ctx, q, &o); err != nil {
			o.Detail = l + ": " + err.Error()
			return o
		}
	}
	o.OK = true
	return o
}

func (p *prover) inLanguage(ctx context.Context, q *Question, o *Outcome) error {
	a, err := p.s.compute(ctx, q)
	if err != nil {
		return err
	}
	if o.Right == nil { // in the learner's own language, which comes first
		o.Right = a.Right
	}
	if o.Computed {
		if err := p.kubectlAgrees(ctx, a, o); err != nil {
			return err
		}
	}
	for what, text := range map[string]string{"ask": a.Text, "explain": a.Explain, "see": a.See} {
		if strings.Contains(text, "—") {
			return fmt.Errorf("%s has a gap: %s", what, text)
		}
	}
	o.Wrong = len(a.Wrong)
	for _, value := range a.Wrong {
		if strings.Contains(a.why[value], "—") {
			return fmt.Errorf("why of %q has a gap: %s", value, a.why[value])
		}
	}
	return p.s.gradesRightly(ctx, a)
}

// kubectlAgrees runs the question's proof and compares what it printed.
func (p *prover) kubectlAgrees(ctx context.Context, a *Asked, o *Outcome) error {
	scope, failed := p.s.scope(ctx)
	line, err := p.s.render(ctx, a.Question.Proof, scope)
	if err := errors.Join(*failed, err); err != nil {
		return err
	}
	out, err := p.shell(ctx, line)
	if err != nil {
		return err
	}
	if o.Kubectl = strings.Fields(out); len(a.Right) == 1 && strings.Contains(a.Right[0], " ") {
		o.Kubectl = []string{strings.TrimSpace(out)}
	}
	if !a.agrees(o.Kubectl) {
		return fmt.Errorf("computed %q, but kubectl says %q: %s", a.Right, o.Kubectl, line)
	}
	return nil
}

// agrees tells whether kubectl's words are the right answer: all of it, or one
// of those that are accepted of something typed.
func (a *Asked) agrees(printed []string) bool {
	switch a.Question.Kind {
	case Choice, Multi:
		x, y := append([]string{}, a.Right...), unique(printed)
		slices.Sort(x)
		slices.Sort(y)
		return slices.Equal(x, y)
	}
	for _, w := range printed {
		if !a.holds(a.Right, w) {
			return false
		}
	}
	return len(printed) > 0
}

func (p *prover) shell(ctx context.Context, line string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, proofLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", "set -o pipefail; "+line)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+p.kubeconfig, "PATH="+p.s.Env.BinDir+":"+os.Getenv("PATH"))
	cmd.WaitDelay = time.Second
	p.who.Own(cmd)
	if p.s.Quiz.Path != "" {
		learner.Apart(cmd)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// gradesRightly grades everything that a question knows: exactly the right
// answer must be right.
func (s *Session) gradesRightly(ctx context.Context, a *Asked) error {
	want := func(right bool, given ...string) error {
		v := s.grade(ctx, a, given)
		if v.Right != right {
			return fmt.Errorf("the answer %q is graded as %s", given, map[bool]string{true: "right", false: "wrong"}[v.Right])
		}
		for _, n := range v.Notes {
			if n.Why == "" && slices.Contains(a.Wrong, n.Given) {
				return fmt.Errorf("nothing explains why %q is wrong", n.Given)
			}
		}
		return nil
	}
	errs := []error{want(false)}
	if a.Question.Kind == Multi {
		errs = append(errs, want(true, a.Right...))
		for i, r := range a.Right {
			if rest := slices.Delete(append([]string{}, a.Right...), i, i+1); len(rest) > 0 {
				errs = append(errs, want(false, rest...))
			}
			for _, w := range a.Wrong {
				errs = append(errs, want(false, r, w))
			}
		}
		for _, w := range a.Wrong {
			errs = append(errs, want(false, append([]string{w}, a.Right...)...))
		}
		return errors.Join(errs...)
	}
	for _, r := range a.Right {
		errs = append(errs, want(true, r))
	}
	for _, w := range a.Wrong {
		errs = append(errs, want(false, w))
	}
	if a.Question.Kind == Number || a.Question.Kind == Text {
		errs = append(errs, want(false, "-12345"))
	}
	return errors.Join(errs...)
}
