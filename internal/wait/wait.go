// Package wait waits until something is so, by looking again and again.
//
// Every wait of Noriter goes through here that has no event to wait for: it looks
// at once, it ends with its context, and its error says what was waited for, for
// how long, and what was seen last. Who has an event (a channel, a watch) selects
// on that instead, or on what ends with it: During.
//
// Whoever shows a person what is being done hears from Showing what is being waited
// for, when that takes long.
package wait

import (
	"context"
	"errors"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// Look looks once. seen is what it saw, for the error of a wait that ends before
// it is done; it may be empty. An error is a permanent fault and ends the wait:
// what may pass by itself is no error, but seen.
type Look func(ctx context.Context) (done bool, seen string, err error)

// Until looks at once, then again after each pause of the length every, until a
// look is done. An error of a look ends the wait and is returned as it is. When
// ctx ends first, the error wraps ctx.Err() and context.Cause(ctx), and names what:
// something to wait for, as in "the lock of the node image".
func Until(ctx context.Context, every time.Duration, what lang.Text, look Look) error {
	return until(ctx, what, look, func(time.Duration) time.Duration { return every })
}

// A look of UntilResting is followed by a pause of restTimes its own length, but
// of no more than longestRest.
const (
	restTimes   = 5
	longestRest = 2 * time.Second
)

// UntilResting is Until for looks that slow down what they wait for, such as
// requests to an emulated machine that starts: the longer a look takes, the longer
// is the pause after it. every is the shortest pause.
func UntilResting(ctx context.Context, every time.Duration, what lang.Text, look Look) error {
	return until(ctx, what, look, func(took time.Duration) time.Duration {
		return max(every, min(restTimes*took, longestRest))
	})
}

// For is Until with a limit of its own, whose end is an error as that of ctx is.
func For(ctx context.Context, limit, every time.Duration, what lang.Text, look Look) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return Until(limited, every, what, look)
}

// Within is Until for at most limit. The end of limit is no error: done says
// whether it came to that.
func Within(ctx context.Context, limit, every time.Duration, what lang.Text, look Look) (done bool, err error) {
	limited, cancel := context.WithTimeoutCause(ctx, limit, errLimit)
	defer cancel()
	switch err := Until(limited, every, what, look); {
	case err == nil:
		return true, nil
	case errors.Is(err, errLimit):
		return false, nil
	default:
		return false, err
	}
}

var errLimit = errors.New("the limit of this wait")

// until has one loop for all: pause gives the length of a pause from that of the
// look before it.
func until(ctx context.Context, what lang.Text, look Look, pause func(took time.Duration) time.Duration) error {
	begun, last := time.Now(), ""
	looking, told := begin(ctx, what)
	defer told.end()
	for {
		lookBegun := time.Now()
		done, seen, err := look(looking)
		switch {
		case err != nil && !Over(ctx):
			return err
		case err == nil && done:
			return nil
		case err != nil:
			seen = err.Error()
		}
		// A look that the end of ctx cut short tells nothing of what it looked at.
		if last == "" || !Over(ctx) {
			last = seen
		}
		if !Over(ctx) {
			told.sees(seen)
		}
		timer := time.NewTimer(pause(time.Since(lookBegun)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return &endedError{what: what, took: time.Since(begun), last: last, ctx: ctx.Err(), cause: context.Cause(ctx), look: err}
		case <-timer.C:
		}
	}
}

// Over says whether ctx has ended: also a moment before it knows itself that its
// deadline has passed, since network connections have that deadline as well.
func Over(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// endedError is a wait whose context ended before it was done.
type endedError struct {
	what lang.Text
	took time.Duration
	last string
	// ctx and cause say how the context ended; look is the error of a look that
	// it cut short.
	ctx, cause, look error
}

// Error says what was waited for, for how long, and what was seen last.
func (e *endedError) Error() string {
	took := e.took.Round(time.Millisecond)
	if took > time.Second {
		took = took.Round(100 * time.Millisecond)
	}
	s := lang.Textf("gave up waiting for %s after %s", "%s을(를) 기다리다가 %s 만에 포기했습니다", e.what, took).String()
	if e.cause != context.DeadlineExceeded { // that is said already
		s = lang.Textf("stopped waiting for %s after %s: %v", "%s을(를) 기다리다가 %s 만에 중단했습니다: %v", e.what, took, e.cause).String()
	}
	if e.last != "" {
		s += lang.T("; last seen: ", "; 마지막으로 본 상태: ") + e.last
	}
	return s
}

// Unwrap gives how the context ended, and the error of a look that it cut short.
func (e *endedError) Unwrap() []error {
	all := []error{e.ctx, e.cause}
	if e.look != nil {
		all = append(all, e.look)
	}
	return all
}
