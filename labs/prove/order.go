package prove

import (
	"context"
	"strings"
	"time"
)

// beforeItsTime is the solution of a step while the one before is still open.
func beforeItsTime(s *solved) []attempt {
	if s.before == nil {
		return nil
	}
	return []attempt{{script: tolerant(s.text), early: true}}
}

// ahead is the name under which a lab allows that a solution which is typed too early
// passes the step before: by it that one is solved as well.
func (d *derivation) ahead() string { return d.solved.before.step.ID + "/ahead" }

// outOfOrder types the solution of a step while the step before is open, which must not
// pass that one; then that one's own, and the early one once more, for whatever it found
// nothing to act on at first. Then the step opens, and whether it holds already
// is right or wrong by what its author says. A detail says that it came to no opening.
func (d *derivation) outOfOrder(ctx context.Context, w *walk) (detail string, err error) {
	before := d.solved.before
	if err := w.build(ctx, before.at); err != nil {
		return "", err
	}
	if err := w.typeIn(ctx, d.script); err != nil {
		return "", brokenf("it can't be typed: %v", err)
	}
	passed, last, err := w.settled(ctx, before.at)
	allowed := d.solved.lab.IsAllowed(d.ahead())
	switch {
	case err != nil:
		return "", err
	case passed && allowed == nil:
		return "", brokenf("passes the step before, %s, which it doesn't solve: %s", before.step.ID, strings.TrimSpace(d.script))
	case !passed && allowed != nil:
		return "", brokenf("the lab says that it solves the step before, %s, as well, and it doesn't: %s", before.step.ID, describe(last))
	case !passed:
		if err := w.typeIn(ctx, tolerant(before.text)+d.script); err != nil {
			return "", brokenf("it can't be typed after the solution of step %s: %v", before.step.ID, err)
		}
		if held, err := w.leave(ctx, before.at); err != nil {
			return "", err
		} else if !held {
			if d.allowed != nil {
				return "", brokenf("the lab says that this is right after all, and with it the step before, %s, can't be left", before.step.ID)
			}
			return "the step before, " + before.step.ID + ", doesn't pass with it", nil
		}
	default:
		if _, err := w.s.Advance(ctx); err != nil {
			return "", err
		}
	}
	return "", w.remember(ctx)
}

// leave opens the next step as soon as the open one may be left, or says that it can't be:
// nothing in its world changes any more.
func (w *walk) leave(ctx context.Context, at int) (bool, error) {
	end := time.Now().Add(w.limit(&w.lab.Steps[at]))
	before, same := "", 0
	for {
		if ok, err := w.s.Skip(ctx); ok || err != nil {
			return ok, err
		}
		world, err := w.fingerprint(ctx)
		if err != nil {
			return false, err
		}
		if same++; world != before {
			same = 0
		}
		if same > 2*restBeats || time.Now().After(end) {
			return false, nil
		}
		before = world
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(restBeat):
		}
	}
}
