package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/step"
)

// TestLastResort: a failed step always comes with a command to type, and with no second
// one where it names one itself.
func TestLastResort(t *testing.T) {
	g := &globals{name: "a"}
	fails := func(text, advice string) error {
		return &step.Error{Step: &step.Step{Advice: lang.Text{EN: advice, KO: advice}}, Err: errors.New(text)}
	}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{fails("ended at its time limit", ""), true},
		{fails("ended at its time limit", "look with: nori ssh NODE"), true},
		{fails("x", "`nori doctor` checks this host"), false},
		{fails("x; `nori down --name a`", ""), false},
		{&step.Error{Step: &step.Step{}, Err: &machine.HostError{What: "x"}}, false},
		{errors.New("no step"), false},
	} {
		got := strings.Join(g.lastResort(c.err, advice(c.err)), "\n")
		if strings.Contains(got, "`nori up --name a`") != c.want {
			t.Errorf("%v: %q", c.err, got)
		}
	}
}

// TestErrorsInTheLearnersLanguage sees that a failed step has the name that the
// list shows, and that a lost connection comes with what to do about it.
func TestErrorsInTheLearnersLanguage(t *testing.T) {
	defer lang.Set("en")
	cause := fmt.Errorf("starting: %w", &machine.ExitError{Machine: "control", Line: "x", Status: -1, Reason: "gone", Lost: true})
	err := &step.Error{Step: &step.Step{
		Title: lang.Text{EN: "Controllers", KO: "컨트롤러"}, Advice: lang.Text{EN: "look", KO: "보세요"},
	}, Err: cause}
	for l, want := range map[string][]string{"en": {"Controllers: starting", "look", "restarted"}, "ko": {"컨트롤러: starting", "보세요", "다시 시작"}} {
		lang.Set(l)
		text := strings.Join(append([]string{err.Error()}, advice(err)...), "\n")
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %q in %s", l, w, text)
			}
		}
	}
	if got := advice(errors.New("x")); len(got) != 0 {
		t.Errorf("advice on nothing: %v", got)
	}
}

// TestCommandName: what others are told who wait for a command is what was typed.
func TestCommandName(t *testing.T) {
	for _, want := range []string{"status", "node add", "snapshot restore"} {
		g := &globals{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
		root := newRootCommand(g)
		c, _, err := root.Find(strings.Fields(want))
		if err != nil {
			t.Fatal(err)
		}
		if err := g.settle(c); err != nil || g.command != want {
			t.Errorf("%s is called %q, %v", want, g.command, err)
		}
	}
	g := &globals{}
	if err := g.settle(nil); err != nil || g.command != "kubectl" {
		t.Errorf("kubectl is called %q, %v", g.command, err)
	}
}
