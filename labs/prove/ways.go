package prove

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/run"
)

// scriptName is a script's path without its ending: "wrong/two-pods".
func scriptName(p string) string { return strings.TrimSuffix(p, path.Ext(p)) }

// untouched does nothing and watches: the first step may not pass, and with
// it no other (each of those is held against this by the solution).
func untouched(ctx context.Context, w *walk) (string, error) {
	if err := w.watchFor(ctx, w.settle, func(u run.Update) bool { return u.Passed }); err == nil {
		return "", brokenf("the first step passes although nothing was done")
	} else if !errors.Is(err, errNotSeen) {
		return "", err
	}
	return "no step passes by itself", nil
}

// solution solves step after step. None may pass before its own solution.
func solution(ctx context.Context, w *walk) (string, error) {
	for i := range w.lab.Steps {
		if err := w.fresh(ctx, i); err != nil {
			return "", err
		}
		if err := w.solve(ctx, i, w.lab.Solution(i)); err != nil {
			return "", err
		}
	}
	return "every step passes by its solution, and not before", w.finished()
}

// wrong goes to the step of a wrong fix, does that, and wants it to fail at
// the check that it must trip, and to go on failing.
func wrong(def *format.Way) func(context.Context, *walk) (string, error) {
	return func(ctx context.Context, w *walk) (string, error) {
		at := w.lab.Index(def.Step)
		if err := w.upTo(ctx, at); err != nil {
			return "", err
		}
		if err := w.remember(ctx); err != nil {
			return "", err
		}
		if err := w.s.Script(ctx, def.Script); err != nil {
			return "", brokenf("the wrong fix itself can't be done: %v", err)
		}
		return w.trips(ctx, def)
	}
}

// trips watches until the named check fails and stays so.
func (w *walk) trips(ctx context.Context, def *format.Way) (string, error) {
	var last run.Update
	var since time.Time
	limit := w.limit(w.lab.Step(def.Step)) + w.settle
	err := w.watchFor(ctx, limit, func(u run.Update) bool {
		last = u
		if u.Passed {
			return true
		}
		if busy(u) {
			// It acts again. What it found before counts until it knows better:
			// on a slow machine it is busy nearly all the time.
			return false
		}
		if !slices.Contains(failing(u), def.Trips) {
			since = time.Time{}
			return false
		}
		if since.IsZero() {
			since = time.Now()
		}
		return time.Since(since) >= w.settle
	})
	switch {
	case last.Passed:
		return "", brokenf("the wrong fix %s passes the step %s", def.Script, def.Step)
	case errors.Is(err, errNotSeen):
		return "", brokenf("the wrong fix %s doesn't trip the check %s within %s; failing are: %s",
			def.Script, def.Trips, limit, strings.Join(failing(last), ", "))
	case err != nil:
		return "", err
	}
	for _, r := range last.Results {
		if r.ID == def.Trips {
			return fmt.Sprintf("trips %s/%s: expected %s; %s", def.Step, def.Trips, r.Expected, cmp.Or(r.Why, r.Actual)), nil
		}
	}
	return "", nil
}

// other does a step in another right way, and then the rest as the solution.
func other(def *format.Way) func(context.Context, *walk) (string, error) {
	return func(ctx context.Context, w *walk) (string, error) {
		at := w.lab.Index(def.Step)
		for i := range w.lab.Steps {
			script := w.lab.Solution(i)
			if i == at {
				script = def.Script
			}
			if err := w.remember(ctx); err != nil {
				return "", err
			}
			if err := w.solve(ctx, i, script); err != nil {
				return "", err
			}
		}
		return "passes the step " + def.Step + ", and the lab can be finished", w.finished()
	}
}

// upTo solves the steps before one.
func (w *walk) upTo(ctx context.Context, at int) error {
	for i := range at {
		if err := w.remember(ctx); err != nil {
			return err
		}
		if err := w.solve(ctx, i, w.lab.Solution(i)); err != nil {
			return err
		}
	}
	return nil
}

// fresh sees that a step doesn't hold yet when it is opened: a step that
// passes by itself grades nothing.
func (w *walk) fresh(ctx context.Context, i int) error {
	u, err := w.s.Look(ctx)
	if err != nil {
		return err
	}
	holds := !slices.ContainsFunc(u.Results, func(r check.Result) bool { return r.State != check.Holds })
	waiting := len(u.Results) > 0 && !slices.ContainsFunc(u.Results, func(r check.Result) bool {
		return r.State == check.Fails || r.State == check.Unknown
	})
	if u.Passed || holds || waiting {
		return brokenf("the step %s passes before its solution was typed", w.lab.Steps[i].ID)
	}
	return nil
}

// remember lets the open step note what it remembers, as the live view does
// when it shows the step.
func (w *walk) remember(ctx context.Context) error { return w.s.Remember(ctx) }

// solve types a script and waits until the open step passes, then opens the
// next one.
func (w *walk) solve(ctx context.Context, i int, script string) error {
	step := &w.lab.Steps[i]
	if err := w.s.Script(ctx, script); err != nil {
		return brokenf("step %s: %v", step.ID, err)
	}
	var last run.Update
	typed := time.Now()
	err := w.watchFor(ctx, w.limit(step), func(u run.Update) bool { last = u; return u.Passed })
	if errors.Is(err, errNotSeen) {
		return brokenf("step %s doesn't pass within %s by %s: %s", step.ID, w.limit(step), script, describe(last))
	}
	if err != nil {
		return err
	}
	w.green[step.ID] = time.Since(typed).Seconds()
	_, err = w.s.Advance(ctx)
	if errors.Is(err, run.ErrReopened) {
		return brokenf("at the end a step that must hold until then doesn't: %s", w.open())
	}
	return err
}

func (w *walk) open() string {
	if step, _, err := w.s.Step(); err == nil {
		return step.ID
	}
	return "?"
}

// finished sees that the lab is at its end.
func (w *walk) finished() error {
	if p := w.percent(); p != 100 {
		return brokenf("only %d %% passed", p)
	}
	return nil
}

var errNotSeen = errors.New("what was waited for did not come")

// watchFor watches the open step until seen says so (nil) or the limit is
// over (errNotSeen). seen is also asked again between updates.
func (w *walk) watchFor(ctx context.Context, limit time.Duration, seen func(run.Update) bool) error {
	watching, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	updates := make(chan run.Update, 64)
	ended := make(chan error, 1)
	go func() {
		ended <- w.s.Watch(watching, func(u run.Update) {
			select {
			case updates <- u:
			case <-watching.Done():
				if u.Passed {
					select {
					case updates <- u:
					default: // full, and nobody reads any more
					}
				}
			}
		})
	}()
	return follow(ctx, cancel, updates, ended, seen)
}

// follow asks seen for each update, and for the last one again twice a second.
func follow(ctx context.Context, stop func(), updates <-chan run.Update, ended <-chan error, seen func(run.Update) bool) error {
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	var last run.Update
	for {
		select {
		case last = <-updates:
			if seen(last) {
				stop()
				<-ended
				return nil
			}
		case <-ticker.C:
			if last.Step != nil && seen(last) {
				stop()
				<-ended
				return nil
			}
		case err := <-ended:
			for len(updates) > 0 {
				if last = <-updates; seen(last) {
					return nil
				}
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
				return errNotSeen
			}
			return err
		}
	}
}

func busy(u run.Update) bool {
	return slices.ContainsFunc(u.Results, func(r check.Result) bool { return r.State == check.Acting })
}

func describe(u run.Update) string {
	var parts []string
	for _, r := range u.Results {
		if r.State != check.Holds {
			part := fmt.Sprintf("%s %s: expected %s; found %s", r.ID, r.State, r.Expected, r.Actual)
			if r.Why != "" {
				part += " (" + r.Why + ")"
			}
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " | ")
}
