package run

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
)

// checksAtOnce is how many checks look at the cluster side by side: a page
// that takes its time shall not keep the others.
const checksAtOnce = 4

// plain evaluates all checks of a step that aren't triggered.
//
// Checks that look side by side see the cluster at moments of their own: while it
// changes, one may see how it was before and another how it is now, and all hold though
// they never did at once. So what holds is looked at again, after every check has seen
// the first moment.
func (s *Session) plain(ctx context.Context, scope *check.Scope, step *format.Step) []check.Result {
	results := s.look(ctx, scope, step)
	if len(results) < 2 || !allHold(results) {
		return results
	}
	if lags(step) {
		select {
		case <-ctx.Done():
			return results // whoever asked looks at ctx
		case <-time.After(s.lag()):
		}
	}
	return s.look(ctx, scope, step)
}

// usualLag is how long an answer may come from what was before a change: a proxy that is
// reloading, a cache. On machines that are slower it is longer.
const usualLag = time.Second

func (s *Session) lag() time.Duration { return s.patient(usualLag) }

// lags tells whether a step wants both what is written and what answers: the answer follows
// the writing, so that both together may hold of two different moments.
func lags(step *format.Step) bool {
	written, answers := false, false
	for i := range step.Checks {
		c := &step.Checks[i]
		if c.Triggered() != nil {
			continue
		}
		if _, live := c.Watches(); live {
			written = true
		} else {
			answers = true
		}
	}
	return written && answers
}

// look evaluates them once.
func (s *Session) look(ctx context.Context, scope *check.Scope, step *format.Step) []check.Result {
	var checks []*check.Check
	for i := range step.Checks {
		if c := &step.Checks[i]; c.Triggered() == nil {
			checks = append(checks, c)
		}
	}
	out := make([]check.Result, len(checks))
	var group errgroup.Group
	group.SetLimit(checksAtOnce)
	for i, c := range checks {
		group.Go(func() error {
			out[i] = s.Cluster.Run(ctx, scope, c)
			return nil
		})
	}
	_ = group.Wait() // what went wrong is in the results
	withhold(checks, out)
	return out
}

// withhold takes back what was found where that means nothing yet: "nobody else is on
// the node" of pods that aren't there. A line that is green is true.
func withhold(checks []*check.Check, results []check.Result) {
	holds := map[string]bool{}
	for i, c := range checks {
		for _, premise := range c.Given {
			if holds[premise] {
				continue
			}
			at := slices.IndexFunc(checks, func(c *check.Check) bool { return c.ID == premise })
			results[i] = check.Result{ID: c.ID, State: check.Later, Expected: results[i].Expected}
			if at >= 0 {
				results[i].Why = lang.Textf("not looked at yet; first: %s", "아직 확인하지 않음. 먼저: %s", results[at].Expected).String()
			}
			break
		}
		holds[c.ID] = results[i].State == check.Holds
	}
}

// trigger runs the triggered checks in order; the first that fails ends it.
func (s *Session) trigger(ctx context.Context, scope *check.Scope, step *format.Step, say Say) (results []check.Result, ok bool) {
	for i := range step.Checks {
		c := &step.Checks[i]
		if c.Triggered() == nil {
			continue
		}
		r := s.Cluster.Trigger(ctx, scope, c, say)
		results = append(results, r)
		if r.State != check.Holds {
			return results, false
		}
	}
	return results, true
}

func allHold(results []check.Result) bool {
	return !slices.ContainsFunc(results, func(r check.Result) bool { return r.State != check.Holds })
}

// waiting are the results of triggered checks whose turn hasn't come.
func waiting(step *format.Step) []check.Result { return triggered(step, check.Waiting) }

func acting(step *format.Step) []check.Result { return triggered(step, check.Acting) }

func triggered(step *format.Step, state check.State) []check.Result {
	var out []check.Result
	for i := range step.Checks {
		c := &step.Checks[i]
		if c.Triggered() == nil {
			continue
		}
		r := check.Result{ID: c.ID, State: state}
		if c.Expect != nil {
			r.Expected = c.Expect.Text.String()
		}
		out = append(out, r)
	}
	return out
}

// unseen are the results where the cluster couldn't be looked at.
func unseen(step *format.Step, err error) []check.Result {
	var out []check.Result
	for i := range step.Checks {
		out = append(out, check.Result{ID: step.Checks[i].ID, State: check.Unknown, Actual: err.Error(), Found: err.Error()})
	}
	return out
}
