package check_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"noriter.dev/noriter/internal/learner"
	"noriter.dev/noriter/labs/check"
)

// script is a scope with one script in its lab.
func script(t *testing.T, text string) *check.Scope {
	return &check.Scope{Files: t.TempDir(), Kubeconfig: "/dev/null", LabFS: fstest.MapFS{"s.sh": {Data: []byte(text)}}}
}

// TestScriptWithoutEnd: what a script prints must not fill the memory.
func TestScriptWithoutEnd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := script(t, "yes").Shell(ctx, "s.sh")
	if err == nil || !strings.Contains(err.Error(), "printed more than") || ctx.Err() != nil {
		t.Errorf("%.200v", err)
	}
	out, err := script(t, "echo out; echo err >&2; exit 3").Shell(ctx, "s.sh")
	if err != nil || out.Stdout != "out\n" || out.Stderr != "err\n" || out.Code != 3 {
		t.Errorf("%+v, %v", out, err)
	}
}

// TestScriptOfSomebody: a script runs as whom it is to run, and reads what they can read.
func TestScriptOfSomebody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	nobody, err := learner.Nobody()
	if err != nil {
		t.Fatal(err)
	}
	s := script(t, "id -u; id -G; cat /etc/shadow || true; cat /proc/self/status | grep CapEff")
	s.As, s.Files = nobody, "/"
	out, err := s.Shell(t.Context(), "s.sh")
	if err != nil || !strings.HasPrefix(out.Stdout, "65534\n65534\nCapEff:\t0000000000000000") || !strings.Contains(out.Stderr, "Permission denied") {
		t.Errorf("%+v, %v", out, err)
	}
}

// TestScriptFromElsewhere: what it writes to the terminal would be obeyed there, and what it
// types would be done.
func TestScriptFromElsewhere(t *testing.T) {
	for _, elsewhere := range []bool{true, false} {
		s := script(t, "read -r _ _ _ _ _ session _ </proc/$$/stat; echo $((session == $$))")
		s.Elsewhere = elsewhere
		if out, err := s.Shell(t.Context(), "s.sh"); err != nil || (out.Stdout == "1\n") != elsewhere {
			t.Errorf("from elsewhere %v: %+v, %v", elsewhere, out, err)
		}
	}
}
