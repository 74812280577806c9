package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// State says how a check came out.
type State string

// The states. Waiting is a triggered check whose turn hasn't come, Acting one
// that is at work; Unknown means that the check couldn't look, and Later that another must
// hold before this one means anything.
const (
	Holds   State = "holds"
	Fails   State = "fails"
	Unknown State = "unknown"
	Waiting State = "waiting"
	Acting  State = "acting"
	Later   State = "later"
)

// Result is what one check found. The texts are in the current language.
type Result struct {
	ID    string `json:"id"`
	State State  `json:"state"`
	// Expected is what should be; Actual and Why are set unless it holds. Actual may be
	// the parts of the expression and what they came to: it is for authors, and for the
	// prover. Found is as much of it as there is in words, for learners.
	Expected string `json:"expected,omitempty"`
	Actual   string `json:"actual,omitempty"`
	Found    string `json:"found,omitempty"`
	Why      string `json:"why,omitempty"`
	// Fact is what made it hold; Told is that in both languages, since it is kept.
	Fact string    `json:"fact,omitempty"`
	Told lang.Text `json:"-"`
}

// missing is the error that what a check wants to look at isn't there; that is
// a plain failure of the check and its text is for the learner.
func missing(text lang.Text) error { return &missingError{text} }

type missingError struct{ text lang.Text }

func (e *missingError) Error() string { return e.text.String() }

// Run evaluates one check that isn't triggered.
func (c *Cluster) Run(ctx context.Context, s *Scope, ck *Check) Result {
	return c.run(ctx, s, ck, nil)
}

// run evaluates a check with extra variables.
func (c *Cluster) run(ctx context.Context, s *Scope, ck *Check, extra expr.Scope) Result {
	limit := ck.Within
	if limit == 0 {
		limit = DefaultWithin
	}
	limit *= time.Duration(max(c.Patience, 1))
	looking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	base := c.variables(looking, s)
	for k, v := range extra {
		base[k] = v
	}
	scope, err := ck.Kind.Look(looking, c, s, base)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			err = missing(lang.Textf("no answer within %s", "%s 안에 응답이 없습니다", limit))
		}
		return unseen(looking, ck, base, err)
	}
	return judge(looking, ck, scope)
}

// unseen is the result where there was nothing to apply the expression to.
func unseen(ctx context.Context, ck *Check, base expr.Scope, err error) Result {
	r := Result{ID: ck.ID, State: Unknown, Actual: err.Error(), Found: err.Error()}
	var miss *missingError
	if errors.As(err, &miss) {
		r.State = Fails
	}
	r.Expected = expected(ctx, ck, base, nil)
	return r
}

// judge applies the check's expression. No expression means that being there
// (or absent) was all.
func judge(ctx context.Context, ck *Check, scope expr.Scope) Result {
	verdict := expr.Verdict{True: true}
	if ck.Expr != nil {
		var err error
		if verdict, err = ck.Expr.Test(ctx, scope); err != nil {
			return Result{ID: ck.ID, State: Unknown, Expected: expected(ctx, ck, scope, nil), Actual: err.Error(), Found: undecided()}
		}
	}
	r := Result{ID: ck.ID, State: Holds, Expected: expected(ctx, ck, scope, verdict.Reasons)}
	if !verdict.True {
		r.State, r.Actual, r.Why = Fails, actual(verdict), render(ctx, ck.Explain, scope)
		if verdict.Missing != "" {
			r.Found = notYet(verdict.Missing)
		}
		if failure, _ := scope["error"].(string); failure != "" {
			r.Found = failure
			if !strings.Contains(r.Actual, failure) {
				r.Actual += " (" + failure + ")"
			}
		}
		return r
	}
	r.holds(renderBoth(ctx, ck.Fact, scope))
	if r.Fact == "" {
		values := facts(verdict.Reasons)
		expected := renderBoth(ctx, ck.Expect, scope)
		r.holds(lang.Text{EN: cmp.Or(values, expected.EN, r.Expected), KO: cmp.Or(values, expected.KO, r.Expected)})
	}
	return r
}

// holds says what made it hold.
func (r *Result) holds(told lang.Text) { r.Told, r.Fact = told, told.String() }

// undecided is what a learner reads where an expression has no answer.
func undecided() string {
	return lang.T("what is there now does not say yet", "지금 상태로는 아직 알 수 없습니다")
}

// render fills a text in; one that can't be is left out rather than shown broken.
func render(ctx context.Context, w *field.Words, s expr.Scope) string {
	text, err := w.Pick().Render(ctx, s)
	if err != nil {
		return ""
	}
	return text
}

// renderBoth is render in both languages. The particles are put in here: a kept text may
// be read where the other language is spoken.
func renderBoth(ctx context.Context, w *field.Words, s expr.Scope) (both lang.Text) {
	if w == nil {
		return both
	}
	en, errEN := w.EN.Render(ctx, s)
	ko, errKO := w.KO.Render(ctx, s)
	if errEN != nil || errKO != nil {
		return lang.Text{}
	}
	return lang.Text{EN: en, KO: lang.Particles(ko)}
}

// expected is the author's text, or else the parts of the expression.
func expected(ctx context.Context, ck *Check, s expr.Scope, reasons []expr.Reason) string {
	if ck.Expect != nil {
		return render(ctx, ck.Expect, s)
	}
	if len(reasons) == 0 && ck.Expr != nil {
		return ck.Expr.Source()
	}
	parts := make([]string, 0, len(reasons))
	for _, r := range reasons {
		parts = append(parts, r.Source)
	}
	return strings.Join(parts, ", ")
}

// actual is what the deciding parts of the expression came to.
func actual(v expr.Verdict) string {
	var parts []string
	for _, r := range v.Reasons {
		if r.Left == "" {
			parts = append(parts, fmt.Sprintf("%s → %s", r.Source, show(r.Actual)))
			continue
		}
		parts = append(parts, fmt.Sprintf("%s = %s", r.Left, show(r.Actual)))
	}
	if len(parts) == 0 && v.Missing != "" {
		return notYet(v.Missing)
	}
	return strings.Join(parts, ", ")
}

// notYet says that a field is not there.
func notYet(field string) string {
	return lang.Textf("there is no %s yet", "%s이(가) 아직 없습니다", field).String()
}

// show translates the one word that expr.Show has for what isn't there.
func show(value string) string {
	if value == "not set" {
		return lang.T("not there yet", "아직 없음")
	}
	return value
}

// facts is what a check shows that has no sentence of its own; empty if there is nothing.
func facts(reasons []expr.Reason) string {
	var parts []string
	for _, r := range reasons {
		if r.Left != "" {
			parts = append(parts, fmt.Sprintf("%s = %s", r.Left, r.Actual))
		}
	}
	return strings.Join(parts, ", ")
}
