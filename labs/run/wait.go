package run

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// wait looks until it is true, an error comes, or the limit is over; what
// names what is waited for.
func wait(ctx context.Context, limit time.Duration, what string, look func(context.Context) (bool, error)) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		ok, err := look(limited)
		if ok && err == nil {
			return nil
		}
		if err != nil && limited.Err() == nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		if pause(limited, lookAgain) != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return errors.Join(fmt.Errorf("waited %s in vain for %s", limit, what), err)
		}
	}
}

// pause waits, or returns early with the context's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func newReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }
