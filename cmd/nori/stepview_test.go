package main

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/fatih/color"
	"github.com/mattn/go-runewidth"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/step"
)

var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[a-zA-Z]`)

// stepsShown are a list of steps as `nori up` has one: one ends, one fails, one
// says more than fits.
func stepsShown(v *stepView) {
	image := &step.Step{ID: "image", Title: lang.Text{EN: "Machine image", KO: "머신 이미지"}}
	long := &step.Step{ID: "long", Title: lang.Text{EN: "A title that is longer than the column that it is given", KO: "주어진 칸보다 훨씬 더 길어서 다 보일 수 없는 단계의 제목"}}
	v.report(step.Event{Step: image, Kind: step.Started})
	v.report(step.Event{Step: long, Kind: step.Started})
	v.report(step.Event{Step: long, Kind: step.Noted, Note: strings.Repeat("말이 많은 단계 ", 10)})
	time.Sleep(250 * time.Millisecond) // a few ticks
	v.report(step.Event{Step: image, Kind: step.Done, Elapsed: 1200 * time.Millisecond})
	v.report(step.Event{Step: long, Kind: step.Failed, Elapsed: 2 * time.Second, Err: errors.New("the disk is full")})
}

// TestStepViewOnATerminal draws the list over itself: no line may wrap, and what
// stays is each step once.
func TestStepViewOnATerminal(t *testing.T) {
	for _, language := range []string{"en", "ko"} {
		lang.Set(language)
		t.Cleanup(func() { lang.Set("en") })
		master, tty, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		if err := pty.Setsize(master, &pty.Winsize{Rows: 30, Cols: 60}); err != nil {
			t.Fatal(err)
		}
		was := color.NoColor
		color.NoColor = false
		v := &stepView{out: tty, live: true, begin: time.Now(), byID: map[string]*row{}, stopped: make(chan struct{})}
		v.done.Add(1)
		go v.tick()
		stepsShown(v)
		v.stop()
		color.NoColor = was
		if _, err := tty.WriteString("\x04"); err != nil { // the test's own mark
			t.Fatal(err)
		}
		var out bytes.Buffer
		buf := make([]byte, 4096)
		for !bytes.Contains(out.Bytes(), []byte("\x04")) {
			n, err := master.Read(buf)
			out.Write(buf[:n])
			if err != nil {
				t.Fatal(err)
			}
		}
		_ = tty.Close()    // all is read
		_ = master.Close() // likewise

		// The last picture is what comes after the last way up.
		pictures := regexp.MustCompile(`\x1b\[\d+A`).Split(out.String(), -1)
		if len(pictures) < 4 {
			t.Errorf("%s: drawn %d times, and should tick", language, len(pictures))
		}
		last := strings.TrimSuffix(escapes.ReplaceAllString(pictures[len(pictures)-1], ""), "\x04")
		lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(last, "\r", "")), "\n")
		want := map[string]string{"en": "✓ Machine image", "ko": "✓ 머신 이미지"}[language]
		if len(lines) != 2 || !strings.HasPrefix(lines[0], want) || !strings.HasPrefix(strings.TrimSpace(lines[1]), "✗ ") {
			t.Errorf("%s: the last picture is %q", language, lines)
		}
		cells := &runewidth.Condition{}
		for _, l := range strings.Split(escapes.ReplaceAllString(out.String(), ""), "\n") {
			if w := cells.StringWidth(strings.Trim(l, "\r\x04")); w > 60 {
				t.Errorf("%s: %d columns: %q", language, w, l)
			}
		}
	}
}

// TestStepViewPlain is a line a step, without any control character.
func TestStepViewPlain(t *testing.T) {
	var out bytes.Buffer
	v := &stepView{out: &out, begin: time.Now(), byID: map[string]*row{}, stopped: make(chan struct{})}
	stepsShown(v)
	v.stop()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "Machine image") || !strings.HasSuffix(lines[1], ": failed") || strings.ContainsAny(out.String(), "\x1b\r") {
		t.Errorf("printed %q", out.String())
	}
}
