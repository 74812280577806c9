package testbed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/netns"
)

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
}

// TestNamespaceOfAnother declares a testbed whose network namespace exists: that of
// another home, then one of its own in which somebody is, with what was in it.
func TestNamespaceOfAnother(t *testing.T) {
	needsRoot(t)
	want := Spec{Name: "test-declare", Driver: "nspawn", Nodes: 1, Isolated: true}
	home, stranger := Home{Dir: t.TempDir()}, Home{Dir: t.TempDir()}
	var cleared []string
	options := DeclareOptions{Cleared: func(what lang.Text) { cleared = append(cleared, what.String()) }}
	t.Cleanup(func() {
		if err := netns.Delete(want.Name); err != nil {
			t.Error(err)
		}
	})
	if err := netns.Create(want.Name, stranger.testbed(want.Name)); err != nil {
		t.Fatal(err)
	}
	_, err := Declare(t.Context(), home, want, nil, options)
	if !isHostError(err) || !strings.Contains(err.Error(), "NORI_HOME='"+stranger.Dir+"' nori down --name test-declare") {
		t.Errorf("in a namespace of another home: %v, want an error that the host has it, and what to type", err)
	}
	if left, _ := filepath.Glob(home.Dir + "/*/*"); len(left) > 0 {
		t.Errorf("what was refused left %v", left)
	}
	if other := home.Leftovers(t.Context(), want.Name); other.Any() || !strings.Contains(other.Elsewhere(), stranger.Dir) {
		t.Errorf("of the other's: own %v, elsewhere %q", other.What(), other.Elsewhere())
	}
	if err := netns.Delete(want.Name); err != nil {
		t.Fatal(err)
	}

	if err := netns.Create(want.Name, home.testbed(want.Name)); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("nsenter", "--net="+netns.Path(want.Name), "ip", "link", "add", "old", "type", "bridge").Run(); err != nil {
		t.Fatal(err)
	}
	argv := netns.Argv(want.Name, "cat")
	other := exec.Command(argv[0], argv[1:]...)
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if pids, err := netns.Processes(want.Name); err != nil || len(pids) > 0 {
			break // it has entered
		}
	}
	if _, err := Declare(t.Context(), home, want, nil, options); err != nil {
		t.Errorf("in its own that was left: %v", err)
	}
	if !slices.Equal(cleared, []string{"its network namespace"}) {
		t.Errorf("cleared %q", cleared)
	}
	if out, err := exec.Command("nsenter", "--net="+netns.Path(want.Name), "ip", "link", "show", "old").CombinedOutput(); err == nil {
		t.Errorf("the old bridge is still there: %s", out)
	}
	if err := errors.Join(stdin.Close(), other.Wait()); err != nil {
		t.Errorf("a person's process in it was ended: %v", err)
	}
}

func isHostError(err error) bool {
	var h *machine.HostError
	return errors.As(err, &h)
}

// TestEnsureNamespaceTellsItsCommand: whoever waits while a command makes a namespace
// anew is told that command, and no other.
func TestEnsureNamespaceTellsItsCommand(t *testing.T) {
	h, s := written(t)
	s.Spec.Name, s.Spec.Isolated = "no-namespace-yet", true
	if err := h.writeState(s.Spec.Name, s); err != nil {
		t.Fatal(err)
	}
	b, err := Open(h, s.Spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	// It stops where it reads the state anew, which it does with the lock.
	state := h.StateFile(s.Spec.Name)
	if err := errors.Join(os.Remove(state), unix.Mkfifo(state, 0o600)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- b.EnsureNamespace(t.Context(), "node add", func(string) {}) }()
	fifo, err := os.OpenFile(state, os.O_WRONLY, 0) // when it reads
	if err != nil {
		t.Fatal(err)
	}
	got := holder(h.lockFile(s.Spec.Name))
	if _, err := fifo.WriteString("{"); err != nil {
		t.Error(err)
	}
	if err := fifo.Close(); err != nil {
		t.Error(err)
	}
	if want := fmt.Sprintf("nori node add, process %d", os.Getpid()); got != want {
		t.Errorf("it was held by %q, want %q", got, want)
	}
	if err := <-ended; err == nil {
		t.Error("a namespace was made for a testbed without a state")
	}
}
