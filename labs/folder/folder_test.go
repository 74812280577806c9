package folder

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
)

func TestMain(m *testing.M) {
	lang.Set(lang.English)
	os.Exit(m.Run())
}

// lab lays a small folder down.
func lab(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "my-lab")
	for name, text := range map[string]string{"lab.yaml": "id: x\n", "files/a.txt": "a", "files/deep/b.txt": "b", ".git/config": "x"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFileSystem(t *testing.T) {
	f, err := Read(lab(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(f, "my-lab/lab.yaml", "my-lab/files/a.txt", "my-lab/files/deep/b.txt"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"my-lab/.git/config", "files/a.txt", "my-lab/../my-lab/lab.yaml", "/etc/passwd"} {
		if data, err := fs.ReadFile(f, name); err == nil {
			t.Errorf("%s is there: %q", name, data)
		}
	}
}

// TestBadFolders is what a lab from elsewhere may bring instead of files: each must be
// refused at once, and named.
func TestBadFolders(t *testing.T) {
	for name, c := range map[string]struct {
		lay  func(dir string) error
		want string
	}{
		"a link to a file of root's": {func(dir string) error { return os.Symlink("/etc/shadow", filepath.Join(dir, "files/shadow")) }, "files/shadow is a link"},
		"a link within":              {func(dir string) error { return os.Symlink("a.txt", filepath.Join(dir, "files/c.txt")) }, "is a link"},
		"a linked folder":            {func(dir string) error { return os.Symlink("/etc", filepath.Join(dir, "setup")) }, "setup is a link"},
		"a file without end": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "lab.yaml")), os.Symlink("/dev/zero", filepath.Join(dir, "lab.yaml")))
		}, "lab.yaml is a link"},
		"a pipe": {func(dir string) error { return unix.Mkfifo(filepath.Join(dir, "en.md"), 0o644) }, "en.md is a pipe"},
		"a gigabyte": {func(dir string) error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "en.md"), nil, 0o644), os.Truncate(filepath.Join(dir, "en.md"), 1<<30))
		}, "en.md is larger than 1024 KiB"},
		"a hundred thousand checks": {func(dir string) error { return os.Truncate(filepath.Join(dir, "lab.yaml"), headBytes+1) }, "lab.yaml is larger than 128 KiB"},
		"much together": {func(dir string) (err error) {
			for i := range 9 {
				err = errors.Join(err, os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), make([]byte, 1<<20), 0o644))
			}
			return err
		}, "larger than 8 MiB together"},
		"many files": {func(dir string) (err error) {
			for i := range folderFiles {
				err = errors.Join(err, os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o644))
			}
			return err
		}, "more than 1000 files"},
		"deep": {func(dir string) error { return os.MkdirAll(filepath.Join(dir, strings.Repeat("d/", 20)), 0o755) }, "more than 8 folders"},
	} {
		dir := lab(t)
		if err := c.lay(dir); err != nil {
			t.Fatal(err)
		}
		_, err := Read(dir)
		var wrong *BadError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestHash(t *testing.T) {
	dir := lab(t)
	hash := func() string {
		f, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		return f.Hash()
	}
	first := hash()
	if again := hash(); again != first {
		t.Error("the same folder has two names")
	}
	seen := map[string]string{first: "as it was"}
	for what, change := range map[string]func() error{
		"a letter": func() error { return os.WriteFile(filepath.Join(dir, "files/a.txt"), []byte("b"), 0o644) },
		"a file":   func() error { return os.WriteFile(filepath.Join(dir, "files/new"), nil, 0o644) },
		"a name": func() error {
			return os.Rename(filepath.Join(dir, "files/deep/b.txt"), filepath.Join(dir, "files/deep/c.txt"))
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if h := hash(); seen[h] != "" {
			t.Errorf("%s changed, and it is the same as %s", what, seen[h])
		} else {
			seen[h] = what
		}
	}
}
