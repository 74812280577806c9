package screen

import (
	"bytes"
	"strings"
	"testing"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/run"
)

// hostile is what somebody may have written where text is expected: it sets the title,
// fills the clipboard, hides what follows, and turns the order around.
const hostile = "\x1b]0;title\x07\x1b]52;c;ZXZpbA==\x07\x1b[8m\u009b2J\u202ereversed\rback"

// TestForeignTextIsNotObeyed has such text in every place that a screen shows: in a lab, in
// what checks found, in names and answers.
func TestForeignTextIsNotObeyed(t *testing.T) {
	for _, color := range []bool{false, true} {
		env, _ := labtest.Env(t)
		lab := labtest.Demo(t)
		lab.Title.EN, lab.Summary.EN, lab.Learnt[0].EN, lab.Sources[0].What.EN = hostile, hostile, hostile, hostile
		s, _ := labtest.OpenWorld(env, lab)
		if err := s.Start(t.Context(), func(string) {}); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		u := &UI{In: &bytes.Buffer{}, Out: &out, Err: &out, Color: color, Command: "nori"}
		result := check.Result{ID: "x", State: check.Fails, Expected: hostile, Actual: hostile, Found: hostile, Why: hostile}
		held := check.Result{ID: "y", State: check.Holds, Fact: hostile}
		for what, show := range map[string]func() error{
			"status": func() error {
				return u.Status(t.Context(), s, run.Update{Step: &lab.Steps[0], Results: []check.Result{result, held}})
			},
			"step":     func() error { return u.Step(t.Context(), s) },
			"end":      func() error { return u.End(t.Context(), s) },
			"hint":     func() error { return u.Hint(s, []run.Hint{{Text: hostile}}, hostile) },
			"script":   func() error { return u.Script("echo " + hostile) },
			"list":     func() error { return u.List([]Entry{{ID: "x", Title: hostile, Summary: hostile}}) },
			"say":      func() error { u.Say(hostile); return nil },
			"markdown": func() error { return u.print(u.markdown("**"+hostile+"**\n```\n"+hostile+"\n```", 60)...) },
			"quiz": func() error {
				return u.QuizHistory([]QuizEntry{{Topic: hostile, Attempts: []QuizScore{{Missed: []MissedQuestion{{Ask: hostile}}}}}})
			},
			"question": func() error { _, err := u.Choose(hostile, []string{hostile}); _ = err; return nil },
			"styles":   func() error { return u.print(u.red(hostile), "\ufdd1bold\ufdd0\ufdd0") },
		} {
			out.Reset()
			if err := show(); err != nil {
				t.Fatal(err)
			}
			text := out.String()
			for _, s := range styles {
				text = strings.ReplaceAll(text, "\x1b["+s+"m", "")
			}
			text = strings.ReplaceAll(text, "\x1b[0m", "")
			if strings.ContainsAny(text, "\x1b\u009b\u202e\r\x07") || !color && out.String() != text {
				t.Errorf("%s, colour %v: %q", what, color, out.String())
			}
		}
	}
}

// TestStyles: a style ends where it began, also one within another.
func TestStyles(t *testing.T) {
	u := &UI{Color: true}
	if got := u.show(u.green("a"+u.bold("b")+"c") + "d"); got != "\x1b[32ma\x1b[1mb\x1b[0m\x1b[32mc\x1b[0md" {
		t.Errorf("%q", got)
	}
}
