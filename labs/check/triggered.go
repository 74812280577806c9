package check

import (
	"context"
	"errors"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// Triggered acts, waits, and looks again. It runs when all other checks of its
// step hold. It has one of the acts by its name (delete, scale, label, node),
// and what is below; it offers no variables. All acts but delete are undone
// when the check has come to its end, however it ends.
type Triggered struct {
	Act Act `yaml:"-"`
	// Then is a check that also sees `before`, the objects that the act hit,
	// as they were. It must hold within Within of the act (default 30 s) …
	Then *Check
	// Within is that time limit.
	Within time.Duration
	// … or, where Stays is set, must hold all the time for that long, once
	// the act has come to its end (what was deleted is gone).
	Stays time.Duration
	At    problem.Pos `yaml:"-"`
	// acts is how many were written; Act is the first.
	acts int
}

// UnmarshalStrict reads the act by its name, and what comes then.
func (t *Triggered) UnmarshalStrict(d *strict.Decoder, n *yaml.Node) {
	t.At = d.At(n)
	found := acts.read(d, n, nil, []strict.Field{
		{Name: "then", Into: &t.Then}, {Name: "within", Into: &t.Within}, {Name: "stays", Into: &t.Stays},
	})
	if t.acts = len(found); t.acts > 0 {
		t.Act = found[0]
	}
}

// Variables are none: the check in Then has those of its kind.
func (*Triggered) Variables() []string { return nil }

// TakesExpr is false: the check in Then has one.
func (*Triggered) TakesExpr() bool { return false }

// Watches nothing: the other checks tell when its turn has come.
func (*Triggered) Watches() (objects []Watched, live bool) { return nil, true }

// Files are those of the check in Then.
func (t *Triggered) Files(visit func(at problem.Pos, name string)) {
	if t.Then != nil {
		t.Then.Files(visit)
	}
}

// Validate wants one act, and what comes then.
func (t *Triggered) Validate(v *field.Validator) {
	if t.acts != 1 || t.Then == nil {
		names := acts.names()
		last := len(names) - 1
		v.Fail(t.At, "triggered: needs exactly one act (%s or %s) and then", strings.Join(names[:last], ", "), names[last])
		return
	}
	t.Act.Validate(v)
	switch {
	case t.Then.Triggered() != nil:
		v.Fail(t.Then.At, "then: a triggered check can't trigger another")
		return
	case len(t.Then.Given) > 0:
		v.Fail(t.Then.At, "then: given says nothing here: what acts waits for all other checks")
	}
	t.Then.Validate(v, "before")
}

// OnMachine tells whether it acts on a machine, and so on what all namespaces
// share.
func (t *Triggered) OnMachine() bool {
	_, ok := t.Act.(*NodeAct)
	return ok
}

// Look is no way to run it; see Cluster.Trigger.
func (*Triggered) Look(context.Context, *Cluster, *Scope, expr.Scope) (expr.Scope, error) {
	return nil, errors.New("a triggered check can't be looked at: it acts")
}

// defaultRecovery is the limit of a triggered check that names none.
const defaultRecovery = 30 * time.Second

// Trigger acts, then looks again until the check in Then holds (or, with
// Stays, as long as it does), and undoes what it did. Say is told what is
// being done.
func (c *Cluster) Trigger(ctx context.Context, s *Scope, ck *Check, say func(string)) Result {
	t := ck.Triggered()
	hit, err := t.Act.Target().find(ctx, c, s)
	if err != nil {
		return unseen(ctx, ck, c.variables(ctx, s), err)
	}
	before := contents(hit)
	undo, err := c.act(ctx, s, t.Act, hit, say)
	if err != nil {
		return unseen(ctx, ck, c.variables(ctx, s), errors.Join(err, c.undo(ctx, undo)))
	}
	extra := expr.Scope{"before": before}
	var r Result
	if t.Stays > 0 {
		r = c.stays(ctx, s, t, hit, extra)
	} else {
		r = c.recovers(ctx, s, t, extra)
	}
	r = ownWords(ctx, ck, r, c.variables(ctx, s))
	if len(undo) > 0 {
		say(lang.T("putting back what was tried out", "시험해 본 것을 되돌리는 중입니다"))
	}
	if err := c.undo(ctx, undo); err != nil {
		r.State, r.Actual = Unknown, lang.T("putting back what was tried out: ", "시험해 본 것을 되돌리는 중: ")+err.Error()
		r.Found = r.Actual
	}
	return r
}

// ownWords puts the texts of the triggered check itself over those of Then.
func ownWords(ctx context.Context, ck *Check, r Result, base expr.Scope) Result {
	r.ID = ck.ID
	if w := render(ctx, ck.Expect, base); w != "" {
		r.Expected = w
	}
	if w := render(ctx, ck.Explain, base); w != "" && r.State == Fails {
		r.Why = w
	}
	if w := renderBoth(ctx, ck.Fact, base); w.EN != "" && r.State == Holds {
		r.holds(w)
	}
	return r
}

// recovers looks until the check holds or its time is over.
func (c *Cluster) recovers(ctx context.Context, s *Scope, t *Triggered, extra expr.Scope) Result {
	limit := t.Within
	if limit == 0 {
		limit = defaultRecovery
	}
	var r Result
	held, err := poll(ctx, limit, t.Then, func() bool {
		r = c.run(ctx, s, t.Then, extra)
		return r.State == Holds
	})
	if !held && err == nil && r.State == Fails {
		after := lang.Textf(" (after %s)", " (%s 뒤)", limit).String()
		r.Actual += after
		if r.Found == "" {
			after = lang.Textf("still not so after %s", "%s이(가) 지나도 그대로입니다", limit).String()
		}
		r.Found += after
	}
	return r
}

// stays waits until what was hit is gone, then sees that the check holds all
// the time.
func (c *Cluster) stays(ctx context.Context, s *Scope, t *Triggered, hit []unstructured.Unstructured, extra expr.Scope) Result {
	if a, ok := t.Act.(lasting); ok {
		if err := a.Await(ctx, c, s, hit); err != nil {
			return unseen(ctx, t.Then, c.variables(ctx, s), err)
		}
	}
	var r Result
	_, err := poll(ctx, t.Stays, t.Then, func() bool {
		r = c.run(ctx, s, t.Then, extra)
		return r.State != Holds
	})
	if err != nil {
		return Result{ID: t.Then.ID, State: Unknown, Actual: err.Error(), Found: err.Error()}
	}
	return r
}

// poll looks again until it has what it looks for, or the limit is over. A look
// has a limit of its own, and is not cut short by this one.
func poll(ctx context.Context, limit time.Duration, ck *Check, look func() bool) (done bool, err error) {
	what := lang.Textf("the check %s", "검사 %s", ck.ID)
	return wait.Within(ctx, limit, pollInterval, what, func(context.Context) (bool, string, error) { return look(), "", nil })
}
