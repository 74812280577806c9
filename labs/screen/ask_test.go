package screen_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/screen"
)

// onTerminal gives a UI on a pseudo-terminal of 60 columns, and the player that
// sits before it.
func onTerminal(t *testing.T, language string, noColor bool) (*screen.UI, *player) {
	t.Helper()
	lang.Set(language)
	t.Cleanup(func() { lang.Set("en") })
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = tty.Close()    // the test is over
		_ = master.Close() // likewise
	})
	if err := pty.Setsize(master, &pty.Winsize{Rows: 30, Cols: 60}); err != nil {
		t.Fatal(err)
	}
	env, _ := labtest.Env(t)
	env.In, env.Out, env.Err = tty, tty, tty
	p := &player{prompted: true, t: t, pty: master, tty: tty, ended: make(chan error, 1)}
	go p.terminal(master)
	return screen.New(env, false, noColor), p
}

var labLabels = []string{
	"pods — create, look inside, logs",
	"replicasets — a label with a text that is longer than the terminal is wide",
	"nodeport — 밖에서 파드까지",
}

func TestChooseWithArrows(t *testing.T) {
	for _, language := range []string{"en", "ko"} {
		u, p := onTerminal(t, language, false)
		var chosen int
		go func() {
			var err error
			chosen, err = u.Choose("Which lab?", labLabels)
			p.ended <- err
		}()
		p.sees(map[string]string{"en": "[arrows, Enter]", "ko": "[화살표 키, 엔터]"}[language])
		p.press("\x1b[B\x1b[B\r")
		if err := p.end(); err != nil || chosen != 2 {
			t.Errorf("%s: chose %d, %v; want the third", language, chosen, err)
		}
		if !strings.Contains(p.text(), "\x1b[3") {
			t.Error("no colour on a terminal")
		}
	}
}

func TestChooseInterrupted(t *testing.T) {
	u, p := onTerminal(t, "en", true)
	go func() {
		_, err := u.Choose("Which lab?", labLabels)
		p.ended <- err
	}()
	p.sees("[arrows, Enter]")
	p.press("\x03")
	if err := p.end(); !errors.Is(err, screen.ErrNoAnswer) {
		t.Errorf("Ctrl-C gave %v", err)
	}
	withoutColour(t, p)
}

// TestConfirm throws away only after a yes: Enter and Ctrl-C are none.
func TestConfirm(t *testing.T) {
	for keys, want := range map[string]bool{"y\r": true, "n\r": false, "\r": false, "\x03": false} {
		u, p := onTerminal(t, "en", true)
		var yes bool
		go func() {
			var err error
			yes, err = u.Confirm("Throw all of it away?")
			p.ended <- err
		}()
		p.sees("Throw all of it away?")
		p.pressLine(keys)
		if err := p.end(); err != nil || yes != want {
			t.Errorf("%q gave %v, %v; want %v", keys, yes, err, want)
		}
		withoutColour(t, p)
	}
}

// withoutColour complains about colours (SGR 30 and on) on a terminal that
// wants none.
func withoutColour(t *testing.T, p *player) {
	t.Helper()
	time.Sleep(20 * time.Millisecond) // for the last of the output
	for _, e := range escapes.FindAllString(p.text(), -1) {
		if strings.HasSuffix(e, "m") && e != "\x1b[0m" && e != "\x1b[m" {
			t.Errorf("colour %q in spite of --no-color", e)
		}
	}
}
