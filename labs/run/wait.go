package run

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/progress"
)

// aloneLimit is how long the making of a lab's world may keep others waiting:
// longer than rebuilding the longest lab takes.
const aloneLimit = 10 * time.Minute

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

// alone makes or removes a world when no other process does: two at once would
// delete each other's namespace and undo each other's work on machines.
func (s *Session) alone(ctx context.Context, say Say, build func(context.Context, Say) error) error {
	var unlock func()
	told := false
	err := wait(ctx, s.patient(aloneLimit), "another nori that makes or removes a lab's world on this testbed", func(context.Context) (ok bool, err error) {
		unlock, err = s.Store.TryMaking()
		if !errors.Is(err, progress.ErrMaking) {
			return err == nil, err
		}
		if !told {
			told = true
			say(lang.T("waiting for another nori, which makes or removes a lab's world on this testbed",
				"다른 nori가 이 테스트베드에서 실습 환경을 만들거나 지우고 있어 기다립니다"))
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	defer unlock()
	return build(ctx, say)
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
