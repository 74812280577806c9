package cache

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"noriter.dev/noriter/internal/filelock"
	"noriter.dev/noriter/internal/lang"
)

// entry is one with a folder and a file beside it, in a cache.
func entry(t *testing.T) Entry {
	t.Helper()
	dir := t.TempDir()
	e := Entry{
		Kind: ContainerImages, Name: "abc", Paths: []string{filepath.Join(dir, "abc"), filepath.Join(dir, "abc.seal")},
		MakeLock: filepath.Join(dir, "lock"), UseLock: filepath.Join(dir, "abc", "use.lock"), Files: []string{filepath.Join(dir, "abc", "disk")},
	}
	if err := errors.Join(os.Mkdir(e.Paths[0], 0o755), os.WriteFile(e.Files[0], []byte("disk"), 0o644), os.WriteFile(e.Paths[1], []byte("seal"), 0o644)); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestRemove: an entry goes as a whole, and not below those who use it.
func TestRemove(t *testing.T) {
	for what, take := range map[string]func(e Entry) (release func()){
		"nobody": func(Entry) func() { return nil },
		"somebody makes such entries": func(e Entry) func() {
			release, _, err := filelock.Try(e.MakeLock)
			must(t, err)
			return release
		},
		"somebody uses it": func(e Entry) func() {
			release, _, err := filelock.Share(e.UseLock)
			must(t, err)
			return release
		},
		"a machine has it open": func(e Entry) func() {
			c := exec.Command("sh", "-c", `exec 3<"$1" && echo open && exec cat`, "sh", e.Files[0])
			in, err := c.StdinPipe()
			must(t, err)
			out, err := c.StdoutPipe()
			must(t, err)
			must(t, c.Start())
			_, err = out.Read(make([]byte, 1))
			must(t, err)
			return func() { _ = in.Close(); _ = c.Wait() }
		},
	} {
		t.Run(what, func(t *testing.T) {
			e := entry(t)
			release := take(e)
			users, err := e.Remove()
			must(t, err)
			if len(users) > 0 != (release != nil) || there(e) != (release != nil) {
				t.Errorf("users %v, there %v", users, there(e))
			}
			if release == nil {
				return
			}
			if seen, err := e.Users(); err != nil || len(seen) == 0 && what != "somebody makes such entries" {
				t.Errorf("its users are %v, %v", seen, err)
			}
			release()
			if users, err := e.Remove(); err != nil || len(users) > 0 || there(e) {
				t.Errorf("afterwards: users %v, %v, there %v", users, err, there(e))
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(e.Paths[0]), LeftoverPrefix+"*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestHalfMade: what somebody is making is no leftover.
func TestHalfMade(t *testing.T) {
	e := entry(t)
	e.Kind = Leftover
	release, _, err := filelock.Try(e.MakeLock)
	must(t, err)
	if users, err := e.Users(); err != nil || len(users) != 1 {
		t.Errorf("its users are %v, %v", users, err)
	}
	release()
	if users, err := e.Remove(); err != nil || len(users) > 0 || there(e) {
		t.Errorf("afterwards: users %v, %v, there %v", users, err, there(e))
	}
}

func there(e Entry) bool {
	for _, p := range e.Paths {
		if _, err := os.Lstat(p); err == nil {
			return true
		}
	}
	return false
}

// TestUsersMakesNoFile: a look at what is there leaves it as it is.
func TestUsersMakesNoFile(t *testing.T) {
	e := entry(t)
	if users, err := e.Users(); err != nil || len(users) > 0 {
		t.Errorf("%v, %v", users, err)
	}
	if _, err := os.Lstat(e.UseLock); err == nil {
		t.Error("it made a lock")
	}
}

func TestKindsHaveNames(t *testing.T) {
	seen := map[lang.Text]bool{}
	for _, k := range []Kind{MachineImage, ContainerImages, Packages, Parcel, Leftover} {
		if text := k.Text(); seen[text] || text.EN == "" || text.KO == "" {
			t.Errorf("%s is called %v", k, text)
		} else {
			seen[text] = true
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
