package run

import (
	"context"
	"errors"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/world"
)

// aloneLimit is how long the making of a lab's world may keep others waiting:
// longer than rebuilding the longest lab takes.
const aloneLimit = 10 * time.Minute

// alone makes or removes a world when no other process does: two at once would
// delete each other's namespace and undo each other's work on machines.
func (s *Session) alone(ctx context.Context, say Say, build func(context.Context, Say) error) error {
	var unlock func()
	told := false
	what := lang.Text{EN: "another nori that makes or removes a lab's world on this testbed",
		KO: "이 테스트베드에서 실습 환경을 만들거나 지우는 다른 nori"}
	err := world.Until(ctx, s.patient(aloneLimit), what, func(context.Context) (ok bool, err error) {
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
