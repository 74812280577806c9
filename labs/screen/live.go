package screen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/run"
)

// Escape sequences: clear the screen, go up so many lines, clear what is below.
const (
	clearScreen = "\x1b[H\x1b[2J"
	clearBelow  = "\x1b[J"
)

// ErrLeft means that the learner left before the end; the progress is kept.
var ErrLeft = errors.New("left before the end")

// Play leads through a lab until it is finished (nil) or left (ErrLeft).
func (u *UI) Play(ctx context.Context, s *run.Session) error {
	if done, err := finished(s); err != nil || done {
		return errors.Join(err, u.End(ctx, s))
	}
	play := u.plain
	if u.Redraw {
		play = u.live
	}
	err := play(ctx, s)
	switch {
	case err == nil:
		return u.End(ctx, s)
	case errors.Is(err, run.ErrWorldGone):
		u.Say("\n" + u.worldGone(s))
		return ErrLeft
	case errors.Is(err, run.ErrTestbedGone):
		u.Say("\n" + testbedGone(s.Env))
		return ErrLeft
	case errors.Is(err, ErrLeft) || ctx.Err() != nil:
		return errors.Join(u.Leaving(s), ErrLeft)
	}
	return err
}

// worldGone says that the lab's world is not there any more, and what helps.
func (u *UI) worldGone(s *run.Session) string {
	start := u.Offer("lab start " + s.Lab.Word())
	return lang.T("The cluster was put back meanwhile, and the lab is not in it any more. "+start+" builds it again up to where you are.",
		"그 사이 클러스터가 되돌려져서 실습 환경이 없습니다. "+start+" 명령이 진행하던 곳까지 다시 만듭니다.")
}

// testbedGone says that the testbed was removed, and what helps.
func testbedGone(env *labs.Env) string {
	return lang.Textf("Testbed %s was removed meanwhile; your progress is kept. `%s` makes it anew.",
		"그 사이에 테스트베드 %s이(가) 지워졌습니다. 진행 상황은 남아 있습니다. `%s` 명령으로 새로 만드세요.", env.Testbed, env.Anew()).String()
}

// live is the view that redraws itself.
type live struct {
	u     *UI
	s     *run.Session
	board *keyboard

	last   run.Update
	detail bool
	// picture is how the cluster looks now; pictureOnly shows it in place of
	// the checks, on a terminal that is too low for both.
	picture     []string
	pictureOnly bool
	// note is a line above the keys: what a key could not do.
	note string
	// height is how many lines the block below the text takes now.
	height int
}

func (u *UI) live(ctx context.Context, s *run.Session) (err error) {
	board, err := openKeyboard(u.In.(*os.File))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, board.restore()) }()
	l := &live{u: u, s: s, board: board}
	for {
		done, err := l.step(ctx)
		if err != nil || done {
			return err
		}
	}
}

// step shows one step until the learner goes on.
func (l *live) step(ctx context.Context) (done bool, err error) {
	l.last, l.detail, l.picture, l.pictureOnly = run.Update{}, false, nil, false
	here, elsewhere := opening(l.s), time.NewTicker(time.Second)
	defer elsewhere.Stop()
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	stop := func() { cancel(); l.u.putBack(watched) }
	defer stop()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH, syscall.SIGCONT) // `fg` after Ctrl-Z, too
	defer signal.Stop(resized)
	keys, updates, ended := make(chan rune), make(chan run.Update), make(chan error, 2)
	reading, stopReading := context.WithCancel(ctx)
	readingEnded := make(chan struct{})
	defer func() { stopReading(); <-readingEnded }()
	go func() {
		defer close(readingEnded)
		if err := l.board.read(reading, keys); err != nil {
			ended <- err
		}
	}()
	drawn := make(chan []string)
	go pictures(ctx, l.s, drawn)
	go func() {
		defer close(watched)
		err := l.s.Watch(ctx, func(up run.Update) {
			select {
			case updates <- up:
			case <-ctx.Done():
			}
		})
		if err != nil && ctx.Err() == nil {
			ended <- err
		}
	}()
	if err := l.redraw(ctx); err != nil {
		return false, err
	}
	for {
		select {
		case <-ctx.Done():
			return false, ErrLeft
		case err := <-ended:
			if errors.Is(err, run.ErrMoved) {
				return finished(l.s)
			}
			return false, err
		case <-resized:
			err = errors.Join(l.board.resume(), l.redraw(ctx))
		case <-elsewhere.C:
			if opening(l.s) != here {
				return finished(l.s) // another process reset the lab, or went on in it
			}
		case up := <-updates:
			if up.Passed && !l.last.Passed { // that must be seen, and what was said before is over
				l.note, l.pictureOnly = "", false
			}
			l.last = up
			err = l.block(ctx)
		case l.picture = <-drawn:
			err = l.block(ctx)
		case key := <-keys:
			var next bool
			switch next, done, err = l.key(ctx, key); {
			case errors.Is(err, errShell):
				stopReading()
				<-readingEnded
				if err := l.shell(ctx, stop); err != nil {
					return false, err
				}
				return finished(l.s)
			case next || done:
				return done, err
			}
		}
		if err != nil {
			return false, err
		}
	}
}

// errShell asks for the sub-shell.
var errShell = errors.New("open a shell")

// key does what a key asks for. next leaves the step.
func (l *live) key(ctx context.Context, key rune) (next, done bool, err error) {
	l.note = ""
	switch key {
	case 'q', 0x03, 0x04:
		return false, false, ErrLeft
	case 'n', '\n', '\r':
		if !l.last.Passed {
			if key == 'n' {
				l.note = lang.T("This step hasn't passed yet.", "아직 통과하지 않은 단계입니다.")
			}
			return false, false, l.block(ctx)
		}
		done, reopened, err := advance(ctx, l.s)
		if reopened {
			l.note = reopenedText()
		}
		return true, done, err
	case 's':
		l.detail = !l.detail
		if l.detail && !hasDetail(l.last) {
			l.detail, l.note = false, noDetail()
		}
		return false, false, l.block(ctx)
	case 'p':
		l.pictureOnly = len(l.picture) > 0 && !l.pictureOnly
		return false, false, l.block(ctx)
	case 't':
		return false, false, errShell
	case 'h':
		l.pictureOnly = false // the hint belongs to the text
		_, _, ok, err := l.s.Hint(ctx)
		if err != nil {
			return false, false, err
		}
		if !ok {
			l.note = lang.T("There are no more hints for this step.", "이 단계에는 힌트가 더 없습니다.")
		}
		return false, false, l.redraw(ctx)
	}
	return false, false, nil
}

// redraw shows the whole step anew.
func (l *live) redraw(ctx context.Context) error {
	width, _ := l.u.size()
	text, err := l.u.stepText(ctx, l.s, width)
	if err != nil {
		return err
	}
	l.height = 0
	if _, err := fmt.Fprint(l.u.Out, clearScreen, strings.Join(l.u.shown(text), "\n"), "\n\n"); err != nil {
		return fmt.Errorf("drawing: %w", err)
	}
	return l.block(ctx)
}

// block redraws the part below the text: checks, hints, keys.
func (l *live) block(ctx context.Context) error {
	width, height := l.u.size()
	lines := l.lines(ctx, width, height-1)
	if tallest := height - 1; len(lines) > tallest { // above the screen nothing can be redrawn
		lines = append(lines[:tallest-1], lines[len(lines)-1])
	}
	var b strings.Builder
	if l.height > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", l.height)
	}
	b.WriteString(clearBelow)
	b.WriteString(strings.Join(l.u.shown(lines), "\n"))
	b.WriteByte('\n')
	l.height = len(lines)
	if _, err := fmt.Fprint(l.u.Out, b.String()); err != nil {
		return fmt.Errorf("drawing: %w", err)
	}
	return nil
}

func (l *live) lines(ctx context.Context, width, room int) []string {
	var out []string
	switch {
	case l.last.Step == nil:
		out = append(out, l.u.faint(lang.T("looking at the cluster", "클러스터를 살펴보는 중")))
	case l.last.Passed:
		out = append(out, l.u.passed(l.last, l.points(), width)...)
	default:
		out = append(out, l.u.results(l.last, width, l.detail)...)
		out = append(out, l.u.computed(ctx, l.s, l.last.Hints, width)...)
	}
	if l.last.Doing != "" {
		out = append(out, wrapText(l.last.Doing, width, l.u.yellow)...)
	}
	tail := []string{""}
	if l.note != "" {
		tail = append(tail, wrapText(l.note, width, l.u.yellow)...)
	}
	keys := wrapText(l.keys(), width, l.u.faint)
	out, offer := l.pictured(out, room-len(tail)-len(keys))
	if offer {
		keys = wrapText(l.pictureLabel()+" | "+l.keys(), width, l.u.faint)
	}
	return append(append(out, tail...), keys...)
}

// points are what the open step has brought.
func (l *live) points() int { return stepPoints(l.s) }

// keys is the line that says what can be pressed now.
func (l *live) keys() string {
	if l.last.Passed {
		return lang.T("n: next | t: shell | q: quit (progress is kept)", "n: 다음 | t: 셸 | q: 나가기 (진행 상황은 저장됨)")
	}
	hint := hintLabel(l.s)
	if hint != "" && l.last.Stuck {
		hint = lang.T("Stuck? ", "막혔나요? ") + hint
	}
	if hint != "" {
		hint += " | "
	}
	return hint + lang.T("s: details | t: shell | q: quit", "s: 자세히 | t: 셸 | q: 나가기")
}

// opening tells one opening of a step from all others.
func opening(s *run.Session) string {
	step, state, err := s.Step()
	if err != nil {
		return ""
	}
	return fmt.Sprint(step.ID, state.Started.UnixNano(), state.StepState(step.ID).Opened.UnixNano())
}

// finished tells whether the lab was brought to its end, in the shell or by
// another process.
func finished(s *run.Session) (bool, error) {
	state, err := s.State()
	return err == nil && state.Phase == progress.Done, err
}

// shell opens a sub-shell; the watch in this step has to end first, because
// the shell has one of its own that goes through the steps.
func (l *live) shell(ctx context.Context, stop func()) error {
	parent := context.WithoutCancel(ctx)
	stop()
	if err := l.board.restore(); err != nil {
		return err
	}
	err := l.u.Shell(parent, l.s)
	return errors.Join(err, l.board.resume())
}
