package du

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// tree is a folder with a hole, a link, and files that have two names, one of which is
// outside.
func tree(t *testing.T) (dir, outside string) {
	t.Helper()
	top := t.TempDir()
	dir, outside = filepath.Join(top, "dir"), filepath.Join(top, "outside")
	must(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "a"), make([]byte, 100_000), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "small"), []byte("x"), 0o644))
	must(t, os.Truncate(filepath.Join(dir, "small"), 1<<30))
	must(t, os.WriteFile(filepath.Join(dir, "shared"), make([]byte, 50_000), 0o644))
	must(t, os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "sub", "b")))
	must(t, os.Link(filepath.Join(dir, "shared"), outside))
	must(t, os.Symlink("a", filepath.Join(dir, "link")))
	return dir, outside
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// du is what the program says.
func du(t *testing.T, paths ...string) int64 {
	t.Helper()
	out, err := exec.Command("du", append([]string{"-x", "-s", "-c", "--block-size=1"}, paths...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	n, err := strconv.ParseInt(strings.Fields(lines[len(lines)-1])[0], 10, 64)
	must(t, err)
	return n
}

func TestAdd(t *testing.T) {
	dir, outside := tree(t)
	var c Counter
	var sum int64
	for _, p := range []string{filepath.Join(dir, "sub"), dir, outside, filepath.Join(dir, "gone")} {
		n, err := c.Add(p)
		must(t, err)
		sum += n
	}
	if want := du(t, dir, outside); sum != want {
		t.Errorf("counted %d, du says %d", sum, want)
	}
	if again, err := c.Add(dir); err != nil || again != 0 {
		t.Errorf("counted twice: %d, %v", again, err)
	}
}

// TestFrees removes, and looks at what du says then.
func TestFrees(t *testing.T) {
	dir, outside := tree(t)
	for _, gone := range []string{filepath.Join(dir, "sub"), filepath.Join(dir, "shared"), dir} {
		before := du(t, dir, outside)
		frees, err := Frees(gone)
		must(t, err)
		must(t, os.RemoveAll(gone))
		left := []string{outside}
		if gone != dir {
			left = append(left, dir)
		}
		if got := before - du(t, left...); got != frees {
			t.Errorf("removing %s freed %d, not %d", gone, got, frees)
		}
	}
}

func TestNotUnderAFile(t *testing.T) {
	dir, _ := tree(t)
	var c Counter
	if _, err := c.Add(filepath.Join(dir, "a", "b")); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
