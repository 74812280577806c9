package screen

import (
	"context"
	"fmt"
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// block redraws the part below the text: checks, hints, keys.
func (l *live) block(ctx context.Context) error {
	width, height := l.u.size()
	// Above the screen nothing can be redrawn.
	lines := l.u.lowest(l.lines(ctx, width, height-1), height-1)
	var b strings.Builder
	b.WriteString(l.erase())
	b.WriteString(strings.Join(l.u.shown(lines), "\n"))
	b.WriteByte('\n')
	l.height = l.u.rows(lines...)
	if _, err := fmt.Fprint(l.u.Out, b.String()); err != nil {
		return fmt.Errorf("drawing: %w", err)
	}
	return nil
}

func (l *live) lines(ctx context.Context, width, room int) []string {
	if more := l.more(); more > 0 {
		return wrapText(unbrokenKeys(moreKeys(more)), width, nil)
	}
	var out []string
	switch {
	case l.last.Step == nil:
		out = append(out, l.u.faint(lang.T("looking at the cluster", "클러스터를 살펴보는 중")))
	case l.last.Passed:
		out = append(out, l.u.passed(l.last, l.points(), width)...)
	default:
		out = append(out, l.u.results(l.last, width, l.detail)...)
		out = append(out, l.u.hints(ctx, l.s, l.last, width)...)
	}
	if l.last.Doing != "" {
		out = append(out, wrapText(l.last.Doing, width, l.u.yellow)...)
	}
	tail := []string{""}
	if l.note != "" {
		tail = append(tail, wrapText(l.note, width, l.u.yellow)...)
	}
	keys := wrapText(unbrokenKeys(l.keys()), width, l.u.faint)
	out, offer := l.pictured(out, room-len(tail)-len(keys))
	if offer {
		keys = wrapText(unbrokenKeys(l.pictureLabel()+" | "+l.keys()), width, l.u.faint)
	}
	return append(append(out, tail...), keys...)
}

// points are what the open step has brought.
func (l *live) points() int { return stepPoints(l.s) }

// keys is the line that says what can be pressed now.
func (l *live) keys() string {
	again := ""
	if l.long {
		again = lang.T("b: from the top | ", "b: 처음부터 보기 | ")
	}
	if l.last.Passed {
		return lang.T("n: next | ", "n: 다음 | ") + again + lang.T("t: shell | q: quit (progress is kept)", "t: 셸 | q: 나가기 (진행 상황은 저장됨)")
	}
	hint := hintLabel(l.s)
	if hint != "" && l.last.Stuck {
		hint = lang.T("Stuck? ", "막혔나요? ") + hint
	}
	if hint != "" {
		hint += " | "
	}
	details := ""
	if l.detail || hasDetail(l.last) {
		details = lang.T("s: details | ", "s: 자세히 | ")
	}
	return hint + details + again + lang.T("t: shell | q: quit", "t: 셸 | q: 나가기")
}

// unbrokenKeys keeps what one key does on one line.
func unbrokenKeys(keys string) string {
	return strings.ReplaceAll(unbroken(keys), noBreak+"|"+noBreak, noBreak+"| ")
}
