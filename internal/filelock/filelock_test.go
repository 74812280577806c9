package filelock

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"noriter.dev/noriter/internal/lang"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	synctest.Test(t, func(t *testing.T) {
		what := lang.Text{EN: "the other to end", KO: "다른 쪽이 끝나기"}
		waited := 0
		waiting := func() { waited++ }
		unlock, err := Lock(t.Context(), path, what, waiting)
		if err != nil || waited != 0 {
			t.Fatalf("a free lock: %v, waited %d times", err, waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = Lock(ctx, path, what, waiting)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the other to end") || !strings.Contains(err.Error(), path) {
			t.Errorf("while another holds it: %v", err)
		}
		if waited != 1 {
			t.Errorf("it was told %d times that there is a wait", waited)
		}
		begun := time.Now()
		time.AfterFunc(time.Minute, unlock)
		ctx, cancel = context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		unlock, err = Lock(ctx, path, what, nil)
		if passed := time.Since(begun); err != nil || passed < time.Minute || passed > time.Minute+tryEvery {
			t.Fatalf("when it was released: %v, after %s", err, time.Since(begun))
		}
		unlock()
	})
}

func TestLockNeedsItsFolder(t *testing.T) {
	if _, err := Lock(t.Context(), filepath.Join(t.TempDir(), "none", "lock"), lang.Text{}, nil); err == nil {
		t.Error("a lock without a file")
	}
}
