package screen

import (
	"context"
	"fmt"
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// reading is how far a step's text was read. One that is longer than the terminal begins at
// its beginning and goes on by a key, as with more(1): what has scrolled away can be scrolled
// back to, and nothing begins above the screen without a sign.
type reading struct {
	// readStep is the opening whose text was read to its end, now the one that is open.
	readStep, now string
	text          []string
	// shown is how many lines of the text are on the screen or above it.
	shown int
	// long says that text and checks don't fit together.
	long bool
}

// open begins with the text of a step, which may be that of before: back from a shell
// nobody reads it again.
func (l *live) open(step string) { l.now, l.text, l.shown = step, nil, 0 }

// more is how many lines are still to come.
func (l *live) more() int { return len(l.text) - l.shown }

// begin shows a text from its beginning, as much as fits; block is how many lines will
// stand below it at least.
func (l *live) begin(text []string, block int) error {
	_, height := l.u.size()
	l.text, l.shown = text, 0
	if step, _, err := l.s.Step(); err == nil {
		block = max(block, 2*len(step.Checks)+2)
	}
	l.long = l.u.rows(text...)+1+block > height-1
	if !l.long || l.readStep == l.now {
		return l.reveal()
	}
	return l.show(l.page())
}

// page is up to which line the next page goes. Two rows are for what stands below it. The
// first page never is the last: where the text alone fits, the checks below it would push its
// beginning off the screen.
func (l *live) page() int {
	_, height := l.u.size()
	end, used := l.shown, 0
	for end < len(l.text) && (end == l.shown || used+l.u.rows(l.text[end]) <= height-3) {
		used += l.u.rows(l.text[end])
		end++
	}
	if l.shown == 0 && end == len(l.text) && end > 1 {
		for end--; end > 1 && strings.TrimSpace(unstyled(l.text[end])) != ""; {
			end--
		}
	}
	return end
}

// reveal shows the rest.
func (l *live) reveal() error {
	if l.more() == 0 {
		return nil
	}
	return l.show(len(l.text))
}

// show goes on with the text up to a line, in the place of the block.
func (l *live) show(end int) error {
	out := l.erase() + strings.Join(l.u.shown(l.text[l.shown:end]), "\n") + "\n"
	if l.shown, l.height = end, 0; l.more() == 0 {
		out += "\n"
		l.readStep = l.now
	}
	if _, err := fmt.Fprint(l.u.Out, out); err != nil {
		return fmt.Errorf("drawing: %w", err)
	}
	return nil
}

// erase takes the block off the screen.
func (l *live) erase() string {
	if l.height == 0 {
		return clearBelow
	}
	return fmt.Sprintf("\x1b[%dA\r", l.height) + clearBelow
}

// readOn does what a key asks for that is about the text. Any other key shows the rest
// first, since what it does stands below the text.
func (l *live) readOn(ctx context.Context, key rune) (done bool, err error) {
	switch {
	case key == 'b' && l.long:
		l.readStep = ""
		return true, l.redraw(ctx)
	case l.more() == 0 || strings.ContainsRune("qt\x03\x04", key):
		return false, nil
	case strings.ContainsRune(" \n\r", key):
		if err := l.show(l.page()); err != nil {
			return true, err
		}
		return true, l.block(ctx)
	}
	return false, l.reveal()
}

// moreKeys is what stands below a page.
func moreKeys(lines int) string {
	if lines == 1 {
		return lang.T("-- 1 more line -- space: go on | t: shell | q: quit", "-- 1줄 더 있음 -- 스페이스: 계속 | t: 셸 | q: 나가기")
	}
	return lang.T(fmt.Sprintf("-- %d more lines -- space: go on | t: shell | q: quit", lines),
		fmt.Sprintf("-- %d줄 더 있음 -- 스페이스: 계속 | t: 셸 | q: 나가기", lines))
}

// beganAbove says of lines that were printed whole that the terminal doesn't show their
// beginning.
func (u *UI) beganAbove(lines []string, width int) []string {
	if _, height := u.size(); !isTerminal(u.Out) || u.rows(lines...) < height {
		return nil
	}
	return append([]string{""}, wrapText(lang.T(
		fmt.Sprintf("(These were %d lines: the step begins further up.)", len(lines)),
		fmt.Sprintf("(모두 %d줄입니다. 단계의 처음은 화면 위쪽에 있습니다.)", len(lines))), width, u.faint)...)
}

// rows is how many rows of the terminal lines take: one that is wider takes several.
func (u *UI) rows(lines ...string) (rows int) {
	columns := u.columns()
	for _, l := range lines {
		rows += max(1, (cells.StringWidth(unstyled(l))+columns-1)/columns)
	}
	return rows
}

// unstyled is a line without the characters that stand for styles.
func unstyled(line string) string {
	return strings.Map(func(r rune) rune {
		if styles[r] != "" || r == styleEnd {
			return -1
		}
		return r
	}, line)
}

// lowest are the last lines that fit into so many rows, with a sign if there are others.
func (u *UI) lowest(lines []string, room int) []string {
	if u.rows(lines...) <= room {
		return lines
	}
	first, used := len(lines), 1
	for first > 0 && used+u.rows(lines[first-1]) <= room {
		first--
		used += u.rows(lines[first])
	}
	sign := lang.T(fmt.Sprintf("... (%d lines that this terminal is too low for)", first), fmt.Sprintf("... (터미널이 낮아 %d줄 생략)", first))
	return append([]string{u.faint(sign)}, lines[first:]...)
}
