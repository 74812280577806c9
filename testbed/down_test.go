package testbed

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// TestStateIsReadUnderTheLock: while `nori down` waited, `nori up` made machines, or
// another `nori down` was quicker.
func TestStateIsReadUnderTheLock(t *testing.T) {
	b := bedOf(t, "node1")
	b.state.Spec.Driver = "nspawn"
	if err := b.writeState(); err != nil {
		t.Fatal(err)
	}
	first, err := b.home.lock(t.Context(), b.Name(), "up", nil)
	if err != nil {
		t.Fatal(err)
	}
	waits := make(chan string, 1)
	done := make(chan error, 1)
	go func() { done <- b.Down(t.Context(), func(who string) { waits <- who }) }()
	<-waits
	// A driver that nobody knows: that it is asked for shows that the state of now
	// counts, which has an image, and so machines.
	made, err := Open(b.home, b.Name())
	if err != nil {
		t.Fatal(err)
	}
	made.state.Spec.Driver, made.state.ImageID = "other", "abc"
	if err := made.writeState(); err != nil {
		t.Fatal(err)
	}
	first.release()
	if err := <-done; err == nil || !strings.Contains(err.Error(), `"other"`) {
		t.Errorf("down went by the state of before: %v", err)
	}
	if _, err := os.Stat(b.Dir()); err != nil {
		t.Error("the folder of a testbed with machines is gone")
	}

	if err := os.RemoveAll(b.Dir()); err != nil {
		t.Fatal(err)
	}
	if err := b.Down(t.Context(), quietly); err != nil {
		t.Errorf("a testbed that somebody else removed meanwhile: %v", err)
	}
	if err := b.Up(t.Context(), RunOptions{Waiting: quietly}); !errors.Is(err, ErrNoTestbed) {
		t.Errorf("up of such a one: %v", err)
	}
}

// TestResetRefusesFirst: without the image that the machines start from nothing is
// switched off.
func TestResetRefusesFirst(t *testing.T) {
	b := bedOf(t, "node1")
	b.state.ImageID = "gone"
	t.Setenv("NORI_CACHE", t.TempDir())
	p := &snapshotsOnly{}
	err := b.reset(t.Context(), p, StartSnapshot, RunOptions{})
	if err == nil || !strings.Contains(err.Error(), "nori down --name noriter") || p.touched {
		t.Errorf("reset: %v, touched %v", err, p.touched)
	}
}
