package screen

import (
	"context"
	"fmt"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/run"
)

// Hints stand in one place, below the checks, where the learner looks: what this learner
// took away first, then what is seen, then the tiers that were paid for, the newest at the
// bottom.

// hints are all that apply or were taken.
func (u *UI) hints(ctx context.Context, s *run.Session, up run.Update, width int) []string {
	return append(u.free(ctx, s, up.Damage, up.Hints, width), u.taken(ctx, s, width)...)
}

// free are the hints that cost nothing: texts about damage, and computed ones.
func (u *UI) free(ctx context.Context, s *run.Session, damage, computed []string, width int) []string {
	var out []string
	for _, text := range damage {
		out = append(append(out, ""), u.hint(run.Hint{Text: text}, width)...)
	}
	for _, id := range computed {
		if text, err := s.ComputedHint(ctx, id); err == nil {
			out = append(append(out, ""), u.hint(run.Hint{Text: text}, width)...)
		}
	}
	return out
}

// taken are the tiers that were paid for.
func (u *UI) taken(ctx context.Context, s *run.Session, width int) []string {
	hints, err := s.Hints(ctx)
	if err != nil {
		return nil // what was shown once can be asked for again
	}
	var out []string
	for _, h := range hints {
		out = append(append(out, ""), u.hint(h, width)...)
	}
	return out
}

// hint lays a hint out with a bar at its left, and says what it cost.
func (u *UI) hint(h run.Hint, width int) []string {
	head := lang.T("hint (free)", "힌트 (무료)")
	switch {
	case h.Number > 0 && h.Cost > 0:
		head = lang.T(fmt.Sprintf("hint %d of %d (%d points)", h.Number, h.Of, h.Cost), fmt.Sprintf("힌트 %d/%d (%d점 차감)", h.Number, h.Of, h.Cost))
	case h.Number > 0: // of a step that has passed
		head = lang.T(fmt.Sprintf("hint %d of %d", h.Number, h.Of), fmt.Sprintf("힌트 %d/%d", h.Number, h.Of))
	}
	return indent(append([]string{u.yellow(head)}, u.markdown(h.Text, width-2)...), u.yellow("| "), u.yellow("| "))
}

// Hint prints what was asked for; again is the command for the next.
func (u *UI) Hint(s *run.Session, hints []run.Hint, again string) error {
	width, _ := u.size()
	var lines []string
	for i, h := range hints {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, u.hint(h, width)...)
	}
	if price := nextPrice(s); price > 0 && hints[0].Number == 0 {
		lines = append(lines, wrapText(lang.Textf("%s again: the next hint, for %d points.", "한 번 더 %s: 다음 힌트 (%d점 차감)", again, price).String(), width, u.faint)...)
	}
	return u.print(lines...)
}

// readFirst says that the free hint is the better one.
func readFirst(s *run.Session) string {
	if price := nextPrice(s); price > 0 {
		return lang.Textf("The free hint above is about what you did. h again: the next hint, for %d points.",
			"위의 무료 힌트가 지금 상황에 맞는 힌트입니다. 그래도 다음 힌트를 보려면 h를 한 번 더 누르세요 (%d점 차감).", price).String()
	}
	return lang.T("The free hint above is about what you did.", "위의 무료 힌트가 지금 상황에 맞는 힌트입니다.")
}

func noMoreHints() string {
	return lang.T("There are no more hints for this step.", "이 단계에는 힌트가 더 없습니다.")
}
