package filelock

import (
	"context"
	"errors"
	"os"
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

// TestOthersCannotLock: a lock that others can read is one that they can hold. What an older
// version left open is closed, and a file with content, which others may have to read, is
// only locked.
func TestOthersCannotLock(t *testing.T) {
	dir := t.TempDir()
	locks := map[string]func(path string) error{
		"lock": func(path string) error {
			unlock, err := Lock(t.Context(), path, lang.Text{}, nil)
			if err == nil {
				unlock()
			}
			return err
		},
		"share": func(path string) error {
			release, _, err := Share(path)
			release()
			return err
		},
		"try": func(path string) error {
			release, _, err := Try(path)
			if err == nil {
				release()
			}
			return err
		},
	}
	for name, take := range locks {
		for content, want := range map[string]os.FileMode{"": 0o600, "a disk": 0o644} {
			path := filepath.Join(dir, name+content)
			if err := errors.Join(os.WriteFile(path, []byte(content), 0o644), os.Chmod(path, 0o644), take(path)); err != nil {
				t.Fatal(err)
			}
			if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != want {
				t.Errorf("%s of a file with %q: %v, %v, want %v", name, content, fi.Mode(), err, want)
			}
		}
		path := filepath.Join(dir, "new "+name)
		if err := take(path); err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s made a file of %v, %v", name, fi.Mode(), err)
		}
	}
}

// TestShare: any number may share a lock, and nobody has it alone beside them.
func TestShare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	take := func(how func(string) (func(), bool, error), want bool) func() {
		t.Helper()
		release, taken, err := how(path)
		if err != nil || taken != want {
			t.Fatalf("taken: %v, %v; want %v", taken, err, want)
		}
		return release
	}
	one, two := take(Share, true), take(Share, true)
	take(Try, false)
	one()
	take(Try, false)
	two()
	alone := take(Try, true)
	take(Share, false)
	take(Try, false)
	alone()
	take(Share, true)()
	if _, _, err := Share(filepath.Join(path, "no folder")); err == nil {
		t.Error("a lock in a file")
	}
}

func TestKeep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "entry")
	path := filepath.Join(dir, "use.lock")
	if ok, err := Keep(path); ok || err != nil {
		t.Errorf("in a folder that is not there: %v, %v", ok, err)
	}
	keep := func() {
		t.Helper()
		if ok, err := Keep(path); !ok || err != nil {
			t.Fatalf("%v, %v", ok, err)
		}
		if _, taken, err := Try(path); taken || err != nil {
			t.Errorf("somebody else has it: %v, %v", taken, err)
		}
	}
	for range 2 { // also when the folder was replaced meanwhile
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		keep()
		keep()
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeepWaits: one who only asks whether anybody uses something is not in the way.
func TestKeepWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "use.lock")
	synctest.Test(t, func(t *testing.T) {
		release, taken, err := Try(path)
		if err != nil || !taken {
			t.Fatal(taken, err)
		}
		begun := time.Now()
		time.AfterFunc(time.Second, release)
		if ok, err := Keep(path); !ok || err != nil || time.Since(begun) < time.Second {
			t.Errorf("%v, %v, after %s", ok, err, time.Since(begun))
		}
	})
}
