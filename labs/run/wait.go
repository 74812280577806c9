package run

import (
	"bufio"
	"context"
	"errors"
	"strings"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/labs/progress"
)

// aloneLimit is how long the making of a lab's world may keep others waiting:
// longer than rebuilding the longest lab takes.
const aloneLimit = 10 * time.Minute

// waitFor looks until it is true, an error comes, or the limit is over; what names
// what is waited for.
func waitFor(ctx context.Context, limit time.Duration, what lang.Text, look func(context.Context) (bool, error)) error {
	return wait.For(ctx, limit, lookAgain, what, func(ctx context.Context) (bool, string, error) {
		ok, err := look(ctx)
		return ok, "", err
	})
}

// alone makes or removes a world when no other process does: two at once would
// delete each other's namespace and undo each other's work on machines.
func (s *Session) alone(ctx context.Context, say Say, build func(context.Context, Say) error) error {
	var unlock func()
	told := false
	err := waitFor(ctx, s.patient(aloneLimit), lang.Text{
		EN: "another nori that makes or removes a lab's world on this testbed", KO: "이 테스트베드에서 실습 환경을 만들거나 지우는 다른 nori",
	}, func(context.Context) (ok bool, err error) {
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
