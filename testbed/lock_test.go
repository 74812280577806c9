package testbed

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	h := Home{t.TempDir()}
	first, err := h.lock(context.Background(), "a", "up", func(string) { t.Error("the first had to wait") })
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	done := make(chan error, 1)
	go func() {
		second, err := h.lock(context.Background(), "a", "down", func(who string) { told <- who })
		if err == nil {
			second.release()
		}
		done <- err
	}()
	who := <-told
	if want := fmt.Sprintf("nori up, process %d", os.Getpid()); who != want {
		t.Errorf("the holder is %q, want %q", who, want)
	}
	select {
	case <-done:
		t.Fatal("the second got a lock that the first holds")
	case <-time.After(150 * time.Millisecond):
	}
	first.release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestLockGivesUpWithItsContext(t *testing.T) {
	h := Home{t.TempDir()}
	l, err := h.lock(context.Background(), "a", "up", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.release()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err = h.lock(ctx, "a", "reset", func(string) {})
	if err == nil || !strings.Contains(err.Error(), "nori up, process") {
		t.Errorf("got %v", err)
	}
}

// TestRemovedLock has a waiter whose file was taken away by the one before it.
func TestRemovedLock(t *testing.T) {
	h := Home{t.TempDir()}
	l, err := h.lock(context.Background(), "a", "down", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *lock, 1)
	go func() {
		n, err := h.lock(context.Background(), "a", "up", func(string) {})
		if err != nil {
			t.Error(err)
		}
		got <- n
	}()
	time.Sleep(50 * time.Millisecond)
	l.remove()
	n := <-got
	if n == nil {
		t.FailNow()
	}
	defer n.release()
	if !stillThere(n.file, filepath.Join(h.Dir, "locks", "a")) {
		t.Error("the waiter holds a lock on a file that nobody else can find")
	}
}
