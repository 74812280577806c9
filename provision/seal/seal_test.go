package seal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
)

// entry is a folder with a file and a tree, as an entry of a cache has them.
func entry(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "root/etc/empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"kernel": "the kernel", "root/etc/conf": "key = value", "root/etc/blank": ""} {
		write(t, filepath.Join(dir, name), content)
	}
	if err := os.Symlink("conf", filepath.Join(dir, "root/etc/link")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// write writes a file at a time of its own: the clock of a file system may tick but
// every few milliseconds.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	setTime(t, path, clock)
	clock = clock.Add(time.Second)
}

var clock = time.Unix(1_000_000, 0)

func setTime(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func sealed(t *testing.T, dir string) *Seal {
	t.Helper()
	s, err := Make(dir, "kernel", "root")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(filepath.Join(dir, "seal.json")); err != nil {
		t.Fatal(err)
	}
	if s, err = Read(filepath.Join(dir, "seal.json")); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWholeEntry(t *testing.T) {
	dir := entry(t)
	s := sealed(t, dir)
	for _, check := range []func(string) (bool, error){s.Check, s.Verify} {
		if renewed, err := check(dir); renewed || err != nil {
			t.Errorf("nothing was changed: %v %v", renewed, err)
		}
	}
	// What came in addition is nobody's damage, nor is a file's own mode beside a tree.
	write(t, filepath.Join(dir, "root/etc/more"), "more")
	if err := os.Chmod(filepath.Join(dir, "kernel"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(dir); err != nil {
		t.Error(err)
	}
}

// TestDamages is what may become of a file, and what is said of it. Each is found in
// a file of a tree and in one beside it.
func TestDamages(t *testing.T) {
	for what, c := range map[string]struct {
		spoil func(t *testing.T, path string)
		says  string
	}{
		"missing":    {func(t *testing.T, p string) { fatal(t, os.Remove(p)) }, "is missing"},
		"empty":      {func(t *testing.T, p string) { fatal(t, os.Truncate(p, 0)) }, "is empty"},
		"truncated":  {func(t *testing.T, p string) { fatal(t, os.Truncate(p, 3)) }, "has another size"},
		"longer":     {func(t *testing.T, p string) { fatal(t, os.Truncate(p, 99)) }, "has another size"},
		"other":      {func(t *testing.T, p string) { write(t, p, strings.Repeat("x", int(size(t, p)))) }, "holds other bytes"},
		"a folder":   {func(t *testing.T, p string) { fatal(t, os.Remove(p)); fatal(t, os.Mkdir(p, 0o755)) }, "is something else"},
		"no content": {func(t *testing.T, p string) { fatal(t, os.Remove(p)); fatal(t, os.Symlink("gone", p)) }, "is something else"},
	} {
		for _, file := range []string{"kernel", "root/etc/conf"} {
			t.Run(what+" "+file, func(t *testing.T) {
				dir := entry(t)
				s := sealed(t, dir)
				c.spoil(t, filepath.Join(dir, file))
				_, err := s.Check(dir)
				var d *Damage
				if !errors.As(err, &d) || err.Error() != file+" "+c.says || d.Path != file {
					t.Errorf("got %v", err)
				}
				if errors.Is(err, fs.ErrNotExist) != (what == "missing") {
					t.Errorf("%v: says wrongly whether it is there", err)
				}
			})
		}
	}
}

func TestDamagesOfATree(t *testing.T) {
	for says, spoil := range map[string]func(etc string) error{
		"root/etc/conf has another owner or mode": func(etc string) error { return os.Chmod(etc+"/conf", 0o600) },
		"root/etc has another owner or mode":      func(etc string) error { return os.Chmod(etc, 0o700) },
		"root/etc/empty is missing":               func(etc string) error { return os.Remove(etc + "/empty") },
		"root/etc/link holds other bytes": func(etc string) error {
			return errors.Join(os.Remove(etc+"/link"), os.Symlink("other", etc+"/link"))
		},
		"root/etc/conf is empty (and 1 more)": func(etc string) error {
			return errors.Join(os.Truncate(etc+"/conf", 0), os.Remove(etc+"/link"))
		},
	} {
		dir := entry(t)
		s := sealed(t, dir)
		fatal(t, spoil(filepath.Join(dir, "root/etc")))
		if _, err := s.Check(dir); err == nil || err.Error() != says {
			t.Errorf("got %v, want %s", err, says)
		}
	}
}

// TestSameSizeAndTime: only who reads finds it.
func TestSameSizeAndTime(t *testing.T) {
	dir := entry(t)
	s := sealed(t, dir)
	path := filepath.Join(dir, "kernel")
	fi, err := os.Stat(path)
	fatal(t, err)
	write(t, path, "THE KERNEL")
	setTime(t, path, fi.ModTime())
	if _, err := s.Check(dir); err != nil {
		t.Errorf("a look found %v; did it read?", err)
	}
	for _, again := range []bool{true, false} {
		if renewed, err := s.Verify(dir); err == nil || err.Error() != "kernel holds other bytes" || renewed != again {
			t.Errorf("reading found %v, %v", err, renewed)
		}
	}
	if _, err := s.Check(dir); err == nil {
		t.Error("what was found once is trusted again")
	}
}

// TestCopiedEntry: the same bytes at another place are as good, and the seal says how
// they look there.
func TestCopiedEntry(t *testing.T) {
	dir := entry(t)
	s := sealed(t, dir)
	write(t, filepath.Join(dir, "kernel"), "the kernel")
	if renewed, err := s.Check(dir); !renewed || err != nil {
		t.Errorf("written again: %v %v", renewed, err)
	}
	if renewed, err := s.Check(dir); renewed || err != nil {
		t.Errorf("the second look: %v %v", renewed, err)
	}
}

func TestCheckOnly(t *testing.T) {
	dir := entry(t)
	s := sealed(t, dir)
	fatal(t, os.Remove(filepath.Join(dir, "kernel")))
	if _, err := s.CheckOnly(dir, "root/etc/conf"); err != nil {
		t.Error(err)
	}
	if _, err := s.CheckBelow(dir, "root"); err != nil {
		t.Error(err)
	}
	if _, err := s.CheckBelow(dir, "kernel"); err == nil {
		t.Error("a file that is missing was not missed")
	}
	for path, says := range map[string]string{"kernel": "is missing", "root/sbin/init": "not in the list"} {
		if _, err := s.CheckOnly(dir, "root/etc/conf", path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestDamagedSeal(t *testing.T) {
	for content, says := range map[string]string{
		"": "seal.json is empty", "{": "cut short", `{"version":1,"files":[]}`: "is empty", `{"files":[{"path":"x"}]}`: "is empty",
	} {
		path := filepath.Join(t.TempDir(), "seal.json")
		write(t, path, content)
		_, err := Read(path)
		var d *Damage
		if !errors.As(err, &d) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", content, err)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "seal.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without one: %v", err)
	}
	path := filepath.Join(t.TempDir(), "seal.json")
	write(t, path, `{"version":2,"nori":"v9","files":[{"path":"x"}]}`)
	var newer *format.NewerError
	if _, err := Read(path); !errors.As(err, &newer) || !strings.Contains(err.Error(), "nori v9") {
		t.Errorf("a newer one: %v", err)
	}
}

// TestWriteLeavesOtherNames: a copy of the cache by hard links keeps its own.
func TestWriteLeavesOtherNames(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "old")
	fatal(t, os.Link(a, b))
	fatal(t, WriteFile(a, []byte("new")))
	if got, err := os.ReadFile(b); err != nil || string(got) != "old" {
		t.Errorf("the other name has %q, %v", got, err)
	}
}

func TestDamageInKorean(t *testing.T) {
	lang.Set(lang.Korean)
	t.Cleanup(func() { lang.Set(lang.English) })
	if got := (&Damage{What: missing("root/etc/conf", nil).What, More: 2}).Error(); got != "root/etc/conf가 없습니다 (그 밖에 2개)" {
		t.Error(got)
	}
}

func size(t *testing.T, path string) int64 {
	fi, err := os.Stat(path)
	fatal(t, err)
	return fi.Size()
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
