package main

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
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
	v.report(step.Event{Step: image, Kind: step.Waiting, Note: "waiting for node1 to answer SSH at 10.77.0.11:22: connection refused"})
	time.Sleep(250 * time.Millisecond) // a few ticks
	v.report(step.Event{Step: image, Kind: step.Waiting})
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
		v := newStepView(tty, true)
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
		if strings.Contains(last, "waiting for node1") || !strings.Contains(out.String(), "waiting for node1") {
			t.Errorf("%s: what is waited for was not shown, or stays: %q", language, lines)
		}
		if !strings.HasSuffix(strings.TrimSuffix(pictures[len(pictures)-1], "\x04"), "\x1b[J") {
			t.Errorf("%s: what is below a picture that has become shorter is not wiped out", language)
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
	v := newStepView(&out, false)
	stepsShown(v)
	v.stop()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[0], "Machine image: waiting for node1 to answer SSH at 10.77.0.11:22: connection refused") ||
		!strings.Contains(lines[1], "Machine image") || !strings.HasSuffix(lines[2], ": failed") || strings.ContainsAny(out.String(), "\x1b\r") {
		t.Errorf("printed %q", out.String())
	}
}

// TestStepViewObeysNobody: a machine whose answer is shown is not who the terminal obeys.
func TestStepViewObeysNobody(t *testing.T) {
	var out bytes.Buffer
	v := newStepView(&out, false)
	st := &step.Step{ID: "x", Title: lang.Text{EN: "X", KO: "X"}}
	v.report(step.Event{Step: st, Kind: step.Waiting, Note: "it says \x1b]52;c;ZXZpbA==\x07"})
	v.report(step.Event{Step: st, Kind: step.Said, Note: "and \u009b2J"})
	v.report(step.Event{Step: st, Kind: step.Noted, Note: "\x1b[8m"})
	v.report(step.Event{Step: st, Kind: step.Done})
	if strings.ContainsAny(out.String(), "\x1b\x07\u009b") || !strings.Contains(out.String(), `\x1b]52`) {
		t.Errorf("%q", out.String())
	}
}

// TestStepViewInterrupted: what a person ends by Ctrl-C has not failed.
func TestStepViewInterrupted(t *testing.T) {
	for language, want := range map[string]string{"en": "Machines: interrupted", "ko": "머신: 중단"} {
		lang.Set(language)
		t.Cleanup(func() { lang.Set("en") })
		for _, live := range []bool{false, true} {
			var out bytes.Buffer
			v := newStepView(&out, live)
			machines := &step.Step{ID: "machines", Title: lang.Text{EN: "Machines", KO: "머신"}}
			v.report(step.Event{Step: machines, Kind: step.Started})
			v.report(step.Event{Step: machines, Kind: step.Interrupted, Err: context.Canceled})
			v.stop()
			_, word, _ := strings.Cut(want, ": ")
			if live && !strings.Contains(out.String(), word) || !live && !strings.HasSuffix(strings.TrimSpace(out.String()), want) {
				t.Errorf("printed %q", out.String())
			}
		}
	}
}

// TestPlainWaitsAreNotRepeatedTooOften: lines stay, so only news is worth one, now
// and then.
func TestPlainWaitsAreNotRepeatedTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		v := newStepView(&out, false)
		v.done.Add(1)
		go v.tick()
		s := &step.Step{ID: "x", Title: lang.Text{EN: "X", KO: "X"}}
		v.report(step.Event{Step: s, Kind: step.Started})
		for _, note := range []string{"a", "b", "a", "b"} { // one a second
			v.report(step.Event{Step: s, Kind: step.Waiting, Note: note})
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		v.report(step.Event{Step: s, Kind: step.Waiting})
		time.Sleep(time.Minute)
		v.stop()
		if got, want := out.String(), "[  0.0s] X: a\n[ 15.0s] X: b\n"; got != want {
			t.Errorf("printed %q, want %q", got, want)
		}
	})
}

// TestALineStays: it comes before the list, which is drawn again below it.
func TestALineStays(t *testing.T) {
	image := &step.Step{ID: "image", Title: lang.Text{EN: "Machine image", KO: "머신 이미지"}}
	for _, live := range []bool{true, false} {
		var out bytes.Buffer
		v := newStepView(&out, live)
		v.report(step.Event{Kind: step.Said, Note: "before"})
		v.report(step.Event{Step: image, Kind: step.Started})
		v.report(step.Event{Step: image, Kind: step.Said, Note: "it was damaged"})
		v.report(step.Event{Step: image, Kind: step.Done})
		text := out.String()
		_, after, found := strings.Cut(text, "it was damaged\n")
		if !strings.HasPrefix(text, "before\n") || !found || !strings.Contains(after, "Machine image") {
			t.Errorf("live %v: %q", live, text)
		}
		if erased := strings.Contains(text, "\x1b[1A\r\x1b[Jit was"); erased != live {
			t.Errorf("live %v: %q", live, text)
		}
	}
}
