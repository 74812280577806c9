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
		if detail, err := d.afterItsStep(ctx, w); detail != "" || err != nil {
			return detail, err
		}
	default:
		if _, err := w.s.Advance(ctx); err != nil {
			return "", err
		}
	}
	return "", w.remember(ctx)
}

// afterItsStep types the solution of the step before, and the early one in the world that
// comes of it, and opens the next step. A detail says that the step before can't be left then.
func (d *derivation) afterItsStep(ctx context.Context, w *walk) (detail string, err error) {
	before := d.solved.before
	for _, script := range []string{tolerant(before.text), d.script} {
		if err := w.typeIn(ctx, script); err != nil {
			return "", brokenf("it can't be typed with the solution of step %s: %v", before.step.ID, err)
		}
		if err := w.rest(ctx, w.limit(before.step)); err != nil {
			return "", err
		}
	}
	for range 2 * restBeats { // what no pod shows, as a controller's rules, takes a moment more
		if held, err := w.s.Skip(ctx); held || err != nil {
			return "", err
		}
		if err := pause(ctx, restBeat); err != nil {
			return "", err
		}
	}
	if d.allowed != nil {
		return "", brokenf("the lab says that this is right after all, and with it the step before, %s, can't be left", before.step.ID)
	}
	return "the step before, " + before.step.ID + ", doesn't pass with it", nil
}

// rest waits until nothing in the world changes any more, or for so long.
func (w *walk) rest(ctx context.Context, limit time.Duration) error {
	end := time.Now().Add(limit)
	before, same := "", 0
	for same < restBeats && time.Now().Before(end) {
		world, err := w.fingerprint(ctx)
		if err != nil {
			return err
		}
		if same++; world != before {
			same = 0
		}
		before = world
		if err := pause(ctx, restBeat); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
