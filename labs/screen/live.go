package screen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
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
	// height is how many rows the block below the text takes now.
	height int
	reading
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
	l.open(here)
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
				err = l.reveal()
			}
			l.last = up
			err = errors.Join(err, l.block(ctx))
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
	if done, err := l.readOn(ctx, key); done || err != nil {
		return false, false, err
	}
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
		l.pictureOnly = false // the hints stand with the checks
		hints, err := l.s.Hint(ctx)
		switch {
		case err != nil:
			return false, false, err
		case len(hints) == 0:
			l.note = noMoreHints()
		case hints[0].Number == 0:
			l.note = readFirst(l.s)
		}
		return false, false, l.block(ctx)
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
	if _, err := fmt.Fprint(l.u.Out, clearScreen); err != nil {
		return fmt.Errorf("drawing: %w", err)
	}
	if err := l.begin(text, len(l.lines(ctx, width, 0))); err != nil {
		return err
	}
	return l.block(ctx)
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
