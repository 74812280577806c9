package screen_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"noriter.dev/noriter/labs/screen"
)

// TestShell opens the sub-shell, solves the first step in it, and is told so
// at the next prompt, with the step that follows.
func TestShell(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Fatal("needs bash, as the shell itself does")
	}
	t.Setenv("HOME", t.TempDir())
	p := play(t, "en", false, true)
	p.sees("t: shell")
	p.press("t")
	p.sees("(lab demo)")
	t.Cleanup(func() { _, _ = p.pty.WriteString("\x15exit\n") }) // a shell that is left open would be waited for
	p.press("echo \"$LAB_COLOR in $LAB_NAMESPACE\"\n")
	p.sees(p.color() + " in lab-demo")
	// By its name, since after its last step no lab is open.
	p.press("(nori() { echo \"called: $*\"; }; status)\n")
	p.sees("called: lab status demo")
	p.press("echo $LAB_COLOR > one; sleep 1.5\n")
	p.sees("Passed! 10 points.")
	p.sees("Then write the file `two`.")
	p.press("clear; step\n")
	p.press("exit\n")
	p.sees("step 2 of 2")
	p.file("two", "")
	p.sees("v does not come back")
	p.press("q")
	if err := p.end(); !errors.Is(err, screen.ErrLeft) {
		t.Fatal(err)
	}
	if step, state, err := p.s.Step(); err != nil || step.ID != "two" || !state.Passed("one") {
		t.Errorf("%v %v", state, err)
	}
}

// TestShellTellsAtOnce: a step that passes while a line is half typed is announced above
// that line, which stays as it is.
func TestShellTellsAtOnce(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Fatal("needs bash, as the shell itself does")
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("TERM", "xterm")
	p := play(t, "en", false, true)
	p.sees("t: shell")
	p.press("t")
	p.sees("(lab demo)")
	t.Cleanup(func() { _, _ = p.pty.WriteString("\x15exit\n") }) // a shell that is left open would be waited for
	p.press("echo ha''lf")
	p.sees("echo ha''lf")
	p.file("one", p.color())
	p.sees("Passed! 10 points.")
	if strings.Contains(p.text(), "Then write the file") {
		t.Error("the next step is put over the line that is being typed:\n" + p.text())
	}
	p.press("-typed\n")
	p.sees("half-typed")
	// The next step is laid down a moment after this one's end was told: an Enter may have
	// come before it.
	for end := time.Now().Add(10 * time.Second); !strings.Contains(p.text(), "Then write the file `two`.") && time.Now().Before(end); {
		p.press("\n")
		time.Sleep(100 * time.Millisecond)
	}
	p.sees("Then write the file `two`.")
	p.press("exit\n")
	p.sees("step 2 of 2")
	p.press("q")
	if err := p.end(); !errors.Is(err, screen.ErrLeft) {
		t.Fatal(err)
	}
}

// TestContinued: after Ctrl-Z and `fg` the screen is drawn again.
func TestContinued(t *testing.T) {
	p := play(t, "en", false, true)
	p.sees("t: shell")
	before := strings.Count(p.text(), "The introduction.")
	if err := syscall.Kill(os.Getpid(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); strings.Count(p.text(), "The introduction.") == before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the screen was not drawn again")
		}
	}
	p.press("q")
	if err := p.end(); !errors.Is(err, screen.ErrLeft) {
		t.Fatal(err)
	}
}

// TestShellOfTestbedGone: the next prompt says that the testbed was removed, and so does
// the screen to which the shell leads back.
func TestShellOfTestbedGone(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Fatal("needs bash, as the shell itself does")
	}
	t.Setenv("HOME", t.TempDir())
	p := play(t, "en", false, true)
	p.sees("t: shell")
	p.press("t")
	p.sees("(lab demo)")
	p.gone.Store(true)
	p.press("sleep 1.5\n")
	p.sees("removed meanwhile")
	p.press("exit\n")
	if err := p.end(); !errors.Is(err, screen.ErrLeft) {
		t.Fatal(err)
	}
}
