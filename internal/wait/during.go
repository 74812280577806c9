package wait

import (
	"context"
	"errors"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// During runs work that waits by itself, as for the end of a command or for an
// answer, and tells of it as of any wait. what is what it waits for, as for Until.
//
// If work takes long, look is asked now and then, beside it, for what there is to
// see, and work goes on until look finds a permanent fault: then work's context ends,
// and the fault is returned in the place of work's error. It may be nil.
func During(ctx context.Context, what lang.Text, look Look, work func(ctx context.Context) error) error {
	ctx, told := begin(ctx, what)
	defer told.end()
	if look == nil {
		return work(ctx)
	}
	working, stop := context.WithCancelCause(ctx)
	watched := make(chan error, 1)
	go func() { watched <- watch(working, told, look, stop) }()
	err := work(working)
	stop(errWorkDone)
	if fault := <-watched; err != nil && fault != nil {
		return fault
	}
	return err
}

var errWorkDone = errors.New("the work is done")

// watch looks until ctx ends. A fault ends the work, and is returned.
func watch(ctx context.Context, told *waiting, look Look, stop context.CancelCauseFunc) error {
	pause := sayAfter
	for {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		begun := time.Now()
		_, seen, err := look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			stop(err)
			return err
		}
		told.sees(seen)
		pause = max(lookBeside, restTimes*time.Since(begun))
	}
}

// lookBeside is the shortest pause between two looks beside work that goes on.
const lookBeside = 3 * time.Second
