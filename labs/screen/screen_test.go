package screen_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/mattn/go-runewidth"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/run"
	"noriter.dev/noriter/labs/screen"
)

var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[a-zA-Z]`)

// narrow complains about lines wider than the terminal, in its columns.
func narrow(t *testing.T, output string, columns int) {
	t.Helper()
	cells := &runewidth.Condition{}
	for _, line := range strings.Split(strings.ReplaceAll(output, "\r", ""), "\n") {
		plain := escapes.ReplaceAllString(line, "")
		if w := cells.StringWidth(plain); w > columns {
			t.Errorf("%d columns: %q", w, plain)
		}
	}
}

// player runs a lab on a pseudo-terminal.
type player struct {
	// prompted is a player who answers prompts, which read single keys.
	prompted bool
	// answered counts how often the terminal said where its cursor is, before that how
	// often it had when the last keys were pressed.
	answered atomic.Int32
	before   int32
	t        *testing.T
	s        *run.Session
	w        *labtest.World
	pty      *os.File
	tty      *os.File
	cancel   context.CancelFunc
	ended    chan error
	slow     atomic.Bool // patches of pods take 600 ms
	gone     atomic.Bool // the testbed was removed

	mu  sync.Mutex
	out bytes.Buffer
}

func play(t *testing.T, language string, plain, noColor bool) *player {
	t.Helper()
	return playLab(t, language, plain, noColor, labtest.Demo(t))
}

func playLab(t *testing.T, language string, plain, noColor bool, lab *format.Lab) *player {
	t.Helper()
	return playOn(t, language, plain, noColor, lab, 60)
}

// playOn is playLab on a terminal of so many rows.
func playOn(t *testing.T, language string, plain, noColor bool, lab *format.Lab, rows uint16) *player {
	t.Helper()
	lang.Set(language)
	t.Cleanup(func() { lang.Set("en") })
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	env, _ := labtest.Env(t)
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: rows, Cols: 60}); err != nil {
		t.Fatal(err)
	}
	env.In, env.Out, env.Err = tty, tty, tty
	s, w := labtest.OpenWorld(env, lab)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	p := &player{t: t, s: s, w: w, pty: master, tty: tty, cancel: cancel, ended: make(chan error, 1)}
	// In place before anyone uses the client: its list of reactors has no lock.
	w.Client.PrependReactor("patch", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		if p.slow.Load() {
			time.Sleep(600 * time.Millisecond)
		}
		return false, nil, nil
	})
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			p.mu.Lock()
			p.out.Write(buf[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	env.Gone = p.gone.Load
	ui := screen.New(env, plain, noColor)
	if err := s.Start(ctx, ui.Say); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		p.ended <- ui.Play(ctx, s)
	}()
	t.Cleanup(func() {
		cancel()
		<-over
		_ = tty.Close()    // the test is over
		_ = master.Close() // likewise
	})
	return p
}

func (p *player) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// sees waits until the output, without escapes, contains a text.
func (p *player) sees(text string) {
	p.t.Helper()
	p.seesAfter(0, text)
}

// seesAfter waits until what came after a place of the output contains a text.
func (p *player) seesAfter(mark int, text string) {
	p.t.Helper()
	end := time.Now().Add(10 * time.Second)
	for !strings.Contains(p.since(mark), text) {
		if time.Now().After(end) {
			p.t.Fatalf("never saw %q in:\n%s", text, p.text())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// press types keys. A prompt is on the screen a moment before it reads: until the
// terminal gives single keys, what is typed would be taken for a line of its own, and
// Ctrl-C would be lost.
func (p *player) press(keys string) {
	p.t.Helper()
	p.pressAfter(0, keys)
}

// pressLine types the answer to a prompt for a line. Before such a prompt reads, it
// asks the terminal twice where the cursor is (for the terminal's size, and for its own
// place), and reads the answers through a buffer, with which keys are lost that were
// typed in between: a person is not so quick.
func (p *player) pressLine(keys string) {
	p.t.Helper()
	p.pressAfter(2, keys)
}

func (p *player) pressAfter(questions int32, keys string) {
	p.t.Helper()
	if p.prompted {
		p.readsKeys(questions)
		p.before = p.answered.Load()
	}
	if _, err := p.pty.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

func (p *player) readsKeys(questions int32) {
	p.t.Helper()
	// The kernel hands what was typed on a moment after it was: only when nothing has
	// been on its way for a while, all has been read.
	const while = 100 * time.Millisecond
	busy := time.Now()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		mode, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
		if err != nil {
			p.t.Fatal(err)
		}
		unread, err := unix.IoctlGetInt(int(p.tty.Fd()), unix.TIOCINQ)
		if err != nil {
			p.t.Fatal(err)
		}
		if mode.Lflag&unix.ICANON != 0 || unread > 0 || p.answered.Load() < p.before+questions {
			busy = time.Now()
		}
		if time.Since(busy) > while {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("nobody reads keys; on the terminal is\n%s", p.text())
		}
	}
}

func (p *player) file(name, content string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.s.Env.Work("demo"), name), []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *player) color() string {
	state, err := p.s.State()
	if err != nil {
		p.t.Fatal(err)
	}
	return state.Vars["color"]
}

func (p *player) end() error {
	p.t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(10 * time.Second):
		p.t.Fatalf("the lab didn't end:\n%s", p.text())
		return nil
	}
}

func TestLiveFromStartToEnd(t *testing.T) {
	p := play(t, "en", false, false)
	p.sees("The introduction.")
	p.sees("the file one says " + p.color())
	p.press("n")
	p.sees("This step hasn't passed yet.")
	p.press("h")
	p.sees("first nudge")
	p.press("s")
	p.sees("nothing more to tell")
	if strings.Contains(p.text(), "stdout") {
		t.Error("a learner reads an expression:\n" + p.text())
	}
	p.press("n") // what it says must go when the step passes
	for end := time.Now().Add(10 * time.Second); strings.Count(p.text(), "hasn't") < 2 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	p.file("one", p.color())
	p.sees("Passed! 8 points.")
	if last := p.text()[strings.LastIndex(p.text(), "\x1b[J"):]; strings.Contains(escapes.ReplaceAllString(last, ""), "hasn't passed") {
		t.Errorf("what was said before the step passed is still there:\n%s", last)
	}
	p.press("n")
	p.sees("Then write the file `two`.")
	p.file("two", "2")
	p.sees("watching what happens")
	p.sees("Passed! 10 points.")
	p.press("\n")
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"What you learnt", "files are files", "labs/run: ran it", "18 of 20 points"} {
		p.sees(want)
	}
	if !strings.Contains(p.text(), "\x1b[32m") {
		t.Error("no colour on a terminal")
	}
	narrow(t, p.text(), 60)
}

func TestLiveInKoreanWithoutColour(t *testing.T) {
	p := play(t, "ko", false, true)
	p.sees("소개합니다.")
	p.sees("1단계 / 2단계")
	p.press("ㅗ") // h on a Korean keyboard
	p.sees("첫 번째 힌트")
	p.file("one", p.color())
	p.sees("통과했습니다! 8점을 얻었습니다.")
	p.press("q")
	if err := p.end(); !errors.Is(err, screen.ErrLeft) {
		t.Fatal(err)
	}
	p.sees("진행 상황을 저장했습니다.")
	if m := regexp.MustCompile(`\x1b\[[0-9;]*m`).FindString(p.text()); m != "" {
		t.Errorf("colour although it was forbidden: %q", m)
	}
	narrow(t, p.text(), 60)
}

// TestInterruptKeepsProgress ends the view as Ctrl-C does, by its context.
func TestInterruptKeepsProgress(t *testing.T) {
	p := play(t, "en", false, false)
	p.sees("The introduction.")
	p.file("one", p.color())
	p.sees("Passed!")
	p.cancel()
	if err := p.end(); !errors.Is(err, screen.ErrLeft) {
		t.Fatal(err)
	}
	p.sees("Your progress is kept.")
	if state, err := p.s.State(); err != nil || !state.Passed("one") {
		t.Errorf("%+v, %v", state, err)
	}
}

// TestResetElsewhere resets the lab in another process while its screen is open.
func TestResetElsewhere(t *testing.T) {
	p := play(t, "en", false, false)
	p.file("one", p.color())
	p.sees("Passed!")
	p.press("n")
	p.sees("step 2 of 2")
	if err := p.s.Reset(context.Background(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(10 * time.Second)
	for strings.Count(p.text(), "step 1 of 2") < 2 {
		if time.Now().After(end) {
			t.Fatalf("the screen stays in a step that is not open any more:\n%s", p.text())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestTestbedGone removes the testbed while a lab is open: its screen would show what was.
func TestTestbedGone(t *testing.T) {
	for _, plain := range []bool{false, true} {
		p := play(t, "en", plain, true)
		p.sees("step 1 of 2")
		p.gone.Store(true)
		p.sees("was removed meanwhile; your progress is kept.")
		if err := p.end(); !errors.Is(err, screen.ErrLeft) {
			t.Errorf("plain %v: %v", plain, err)
		}
	}
}

func TestTerminalIsGivenBack(t *testing.T) {
	p := play(t, "en", false, false)
	p.sees("q: quit")
	p.press("q")
	if err := p.end(); !errors.Is(err, screen.ErrLeft) {
		t.Fatal(err)
	}
	p.press("echoed\n")
	p.sees("echoed") // echo is on again
}

func TestResizeRedraws(t *testing.T) {
	p := play(t, "en", false, true)
	p.sees("q: quit")
	before := strings.Count(p.text(), "\x1b[2J")
	if err := pty.Setsize(p.pty, &pty.Winsize{Rows: 40, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	// The terminal isn't the controlling one here, so the signal is sent by hand.
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(sigwinch); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(5 * time.Second)
	for strings.Count(p.text(), "\x1b[2J") == before {
		if time.Now().After(end) {
			t.Fatal("was not redrawn")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// piped runs the plain view on a pipe with everything typed beforehand.
func piped(t *testing.T, language, typed string, prepare func(*run.Session)) (string, error) {
	t.Helper()
	lang.Set(language)
	t.Cleanup(func() { lang.Set("en") })
	t.Setenv("COLUMNS", "60")
	env, out := labtest.Env(t)
	env.In = strings.NewReader(typed)
	s, _ := labtest.OpenWorld(env, labtest.Demo(t))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Start(ctx, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(s)
	}
	err := screen.New(env, true, false).Play(ctx, s)
	return out.String(), err
}

func TestPlainThroughAPipe(t *testing.T) {
	out, err := piped(t, "en", "1\n2\nnonsense\n", nil)
	if !errors.Is(err, screen.ErrLeft) {
		t.Fatal(err)
	}
	for _, want := range []string{"1) hint (costs 2 points)", "2) why not yet", "first nudge", "nothing more to tell", "please give one of the numbers", "Your progress is kept."} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("escapes in plain output: %q", out)
	}
	narrow(t, out, 60)
}

func TestPlainGoesOn(t *testing.T) {
	out, err := piped(t, "ko", "1\n", func(s *run.Session) {
		state, err := s.State()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.Env.Work("demo"), "one"), []byte(state.Vars["color"]), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	if !errors.Is(err, screen.ErrLeft) || !strings.Contains(out, "1) 다음 단계") || !strings.Contains(out, "이제 파일") {
		t.Errorf("%v\n%s", err, out)
	}
	narrow(t, out, 60)
}

func TestChooseByNumber(t *testing.T) {
	env, out := labtest.Env(t)
	env.In = strings.NewReader("9\nx\n2\nleft over")
	n, err := screen.New(env, true, true).Choose("Which?", []string{"a", "b"})
	if n != 1 || err != nil || !strings.Contains(out.String(), " 2) b") {
		t.Errorf("%d, %v, %s", n, err, out)
	}
	if rest, _ := io.ReadAll(env.In); string(rest) != "left over" {
		t.Errorf("took too much of the input: %q is left", rest)
	}
	env.In = strings.NewReader("")
	if _, err := screen.New(env, true, true).Choose("Which?", []string{"a"}); !errors.Is(err, screen.ErrNoAnswer) {
		t.Errorf("got %v", err)
	}
}

// TestPicture sees the picture above the checks, alone, and as plain lines.
func TestPicture(t *testing.T) {
	for _, language := range []string{"en", "ko"} {
		p := play(t, language, false, true)
		p.sees("+- node1  127.0.0.1 ----")
		p.sees("| v                     1/0 Running          10.244.1.5    |")
		p.press("p")
		p.sees(map[string]string{"en": "p: back to the checks | h:", "ko": "p: 검사로 돌아가기 | h:"}[language])
		p.press("q")
		if err := p.end(); !errors.Is(err, screen.ErrLeft) {
			t.Error(err)
		}
		narrow(t, p.text(), 60)
	}
}

func TestPicturePlain(t *testing.T) {
	p := play(t, "en", true, true)
	p.sees("5) picture")
	p.press("5\n")
	end := time.Now().Add(10 * time.Second)
	for strings.Count(p.text(), "+- node1  127.0.0.1") < 2 && time.Now().Before(end) {
		time.Sleep(10 * time.Millisecond)
	}
	p.press("q\n")
	if err := p.end(); !errors.Is(err, screen.ErrLeft) {
		t.Error(err)
	}
	if n := strings.Count(p.text(), "+- node1  127.0.0.1"); n < 2 {
		t.Errorf("the picture was shown %d times:\n%s", n, p.text())
	}
}

// TestLeavingPutsBack leaves while a check has changed a label for a trial,
// on an API server that takes its time: the label is back before Play ends.
func TestLeavingPutsBack(t *testing.T) {
	fsys := labtest.DemoFS()
	fsys["demo/lab.yaml"].Data = []byte(strings.Replace(string(fsys["demo/lab.yaml"].Data), "  - id: two\n", `      - id: trial
        expect: {en: nothing is there, ko: 아무것도 없음}
        explain: {en: something is there, ko: 무언가 있습니다}
        fact: {en: nothing is there, ko: 아무것도 없습니다}
        triggered:
          label: {kind: Pod, name: v, labels: {trial: "on"}}
          then: {list: {kind: Pod}, expr: size(items) == 0}
  - id: two
`, 1))
	lab, err := format.Load(fsys, "demo")
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range []bool{false, true} {
		p := playLab(t, "en", plain, true, lab)
		trial := func() string {
			v, err := p.w.Get(context.Background(), "Pod", "v1", "lab-demo", "v")
			if err != nil || v == nil {
				t.Fatal("the pod v is gone", err)
			}
			return v.GetLabels()["trial"]
		}
		p.file("one", p.color())
		for end := time.Now().Add(10 * time.Second); trial() != "on"; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it was never tried out:\n%s", p.text())
			}
		}
		p.slow.Store(true)
		p.press(map[bool]string{true: "q\n", false: "q"}[plain])
		if err := p.end(); !errors.Is(err, screen.ErrLeft) {
			t.Error(err)
		}
		if got := trial(); got != "" {
			t.Errorf("plain %v: left with the label %q", plain, got)
		}
		p.sees("A moment, please: what the lab has")
	}
}
