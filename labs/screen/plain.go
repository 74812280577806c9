package screen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/run"
)

// plainView prints lines, and only what has changed.
type plainView struct {
	u     *UI
	s     *run.Session
	lines *lineReader
	last  run.Update
}

// plain is Play without redrawing, for pipes, screen readers and logs.
func (u *UI) plain(ctx context.Context, s *run.Session) error {
	p := &plainView{u: u, s: s, lines: &lineReader{u.In}}
	for {
		done, err := p.step(ctx)
		if err != nil || done {
			return err
		}
	}
}

// step prints a step and follows it until the learner goes on.
func (p *plainView) step(ctx context.Context) (done bool, err error) {
	p.last = run.Update{}
	width, _ := p.u.size()
	text, err := p.u.stepAndHints(ctx, p.s, width)
	if err != nil {
		return false, err
	}
	if err := p.u.print(append(append([]string{""}, text...), p.u.beganAbove(text, width)...)...); err != nil {
		return false, err
	}
	watching, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	stop := func() { cancel(); p.u.putBack(watched) }
	defer stop()
	updates, ended := make(chan run.Update), make(chan error, 1)
	go func() {
		defer close(watched)
		ended <- p.s.Watch(watching, func(up run.Update) {
			select {
			case updates <- up:
			case <-watching.Done():
			}
		})
	}()
	var answers <-chan answer
	for {
		select {
		case <-ctx.Done():
			return false, ErrLeft
		case err := <-ended:
			if errors.Is(err, run.ErrMoved) {
				return finished(p.s)
			}
			if err != nil {
				return false, err
			}
			ended = nil // it has passed, and that was told
		case up := <-updates:
			if answers == nil && hasPicture(p.s) {
				if lines := p.u.picture(ctx, p.s); len(lines) > 0 {
					if err := p.u.print(lines...); err != nil {
						return false, err
					}
				}
			}
			if err := p.show(ctx, up); err != nil {
				return false, err
			}
			if answers == nil { // ask only when there is something to say
				answers, err = p.ask()
			} else if up.Passed {
				err = p.menu()
			}
			if err != nil {
				return false, err
			}
		case a := <-answers:
			next, done, err := p.answer(ctx, a, stop)
			if err != nil || next || done {
				return done, err
			}
			if answers, err = p.ask(); err != nil {
				return false, err
			}
		}
	}
}

// show prints what an update brought that is new.
func (p *plainView) show(ctx context.Context, up run.Update) error {
	width, _ := p.u.size()
	old := p.last
	p.last = up
	if up.Doing != "" {
		return p.u.print(wrapText(up.Doing+" ...", width, p.u.yellow)...)
	}
	if up.Passed {
		return p.u.print(append([]string{""}, p.u.passed(up, stepPoints(p.s), width)...)...)
	}
	var lines []string
	for _, r := range up.Results {
		if !slices.Contains(old.Results, r) && r.State != check.Acting {
			lines = append(lines, p.u.result(r, width, false)...)
		}
	}
	lines = append(lines, p.u.free(ctx, p.s, without(up.Damage, old.Damage), without(up.Hints, old.Hints), width)...)
	if len(lines) == 0 {
		return nil
	}
	return p.u.print(append([]string{""}, lines...)...)
}

// without leaves out of a list what another has.
func without(list, known []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(known, s) })
}

// choices are what can be asked for now.
func (p *plainView) choices() (labels []string, keys []rune) {
	add := func(key rune, label string) {
		labels, keys = append(labels, label), append(keys, key)
	}
	if p.last.Passed {
		add('n', lang.T("next step", "다음 단계"))
	} else {
		if hint := hintLabel(p.s); hint != "" {
			add('h', strings.TrimPrefix(hint, "h: "))
		}
		add('s', lang.T("why not yet", "아직 통과하지 못한 이유"))
	}
	add('t', lang.T("shell", "셸"))
	add('q', lang.T("quit (progress is kept)", "나가기 (진행 상황은 저장됨)"))
	if hasPicture(p.s) {
		add('p', lang.T("picture", "그림"))
	}
	return labels, keys
}

func (p *plainView) menu() error {
	labels, _ := p.choices()
	var parts []string
	for i, l := range labels {
		parts = append(parts, fmt.Sprintf("%d) %s", i+1, l))
	}
	width, _ := p.u.size()
	return p.u.print(append([]string{""}, wrapText(strings.Join(parts, " | "), width, nil)...)...)
}

// ask prints the choices and reads one line.
func (p *plainView) ask() (<-chan answer, error) {
	if err := p.menu(); err != nil {
		return nil, err
	}
	return p.lines.next(), nil
}

// answer does what was chosen, by number or by letter.
func (p *plainView) answer(ctx context.Context, a answer, stop func()) (next, done bool, err error) {
	if a.err != nil {
		if errors.Is(a.err, io.EOF) {
			return false, false, ErrLeft
		}
		return false, false, fmt.Errorf("reading the choice: %w", a.err)
	}
	width, _ := p.u.size()
	switch p.chosen(a.line) {
	case 'q':
		return false, false, ErrLeft
	case 'n':
		done, reopened, err := advance(ctx, p.s)
		if reopened {
			err = p.u.print(wrapText(reopenedText(), width, p.u.yellow)...)
		}
		return true, done, err
	case 'h':
		hints, err := p.s.Hint(ctx)
		switch {
		case err != nil:
			return false, false, err
		case len(hints) == 0:
			return false, false, p.u.print(noMoreHints())
		}
		return false, false, p.u.Hint(p.s, hints, "h")
	case 's':
		lines := append(p.u.results(p.last, width, true), p.u.free(ctx, p.s, p.last.Damage, p.last.Hints, width)...)
		if !hasDetail(p.last) {
			lines = append(lines, wrapText(noDetail(), width, p.u.faint)...)
		}
		return false, false, p.u.print(lines...)
	case 'p':
		return false, false, p.u.print(p.u.picture(ctx, p.s)...)
	case 't':
		stop()
		if err := p.u.Shell(ctx, p.s); err != nil {
			return false, false, err
		}
		done, err := finished(p.s)
		return true, done, err
	}
	if strings.TrimSpace(a.line) == "" {
		return false, false, nil
	}
	return false, false, p.u.print(lang.T("please give one of the numbers", "번호 중 하나를 입력하세요"))
}

func (p *plainView) chosen(line string) rune {
	line = strings.ToLower(strings.TrimSpace(line))
	_, keys := p.choices()
	for i, k := range keys {
		if line == fmt.Sprint(i+1) || line == string(k) {
			return k
		}
	}
	return 0
}

// answer is a line that was read, or why none was.
type answer struct {
	line string
	err  error
}

// lineReader reads a line when asked for one, byte by byte, and not a byte
// more: what follows belongs to the sub-shell.
type lineReader struct{ in io.Reader }

// next reads a line in the background.
func (r *lineReader) next() <-chan answer {
	out := make(chan answer, 1)
	go func() {
		var line []byte
		var b [1]byte
		for {
			n, err := r.in.Read(b[:])
			switch {
			case n == 1 && b[0] == '\n', err != nil && len(line) > 0 && errors.Is(err, io.EOF):
				out <- answer{line: string(line)}
				return
			case err != nil:
				out <- answer{err: err}
				return
			case n == 1:
				line = append(line, b[0])
			}
		}
	}()
	return out
}
