package stock

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/provision/machine"
)

func quiet(string) {}

// sample is a cache with a folder and a file in it.
func sample(t *testing.T) string {
	t.Helper()
	cache := t.TempDir()
	root := filepath.Join(cache, "image", "abc", "root")
	noise := make([]byte, 3<<20)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"image/abc/root/bin/tool": "tool", "image/abc/root/etc/motd": "hello", "image/abc/kernel": string(noise),
		"image/abc/disk": "left out", "image/abc/root/etc/mirror": "left out", "files.tar": "one file",
	} {
		at := filepath.Join(cache, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	err := errors.Join(
		os.Chmod(filepath.Join(root, "bin/tool"), 0o755|os.ModeSetuid),
		os.Chmod(filepath.Join(root, "etc"), 0o700),
		os.Link(filepath.Join(root, "bin/tool"), filepath.Join(root, "bin/again")),
		os.Symlink("/bin/tool", filepath.Join(root, "link")),
		unix.Mkfifo(filepath.Join(root, "fifo"), 0o600),
		os.Chtimes(filepath.Join(root, "etc/motd"), old, old))
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

var items = []Item{{Path: "image/abc", Only: []string{"root", "kernel"}, Except: []string{"root/etc/mirror"}}, {Path: "files.tar"}}

func pack(t *testing.T, cache string) Stock {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "images")
	if _, err := Pack(t.Context(), dir, "1.2.3", cache, items...); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir)
	if err != nil || s.Version != "1.2.3" || len(s.Entries) != 2 {
		t.Fatalf("opened %+v, %v", s, err)
	}
	return s
}

func unpackTo(t *testing.T, s Stock, path, to string, say func(string)) error {
	t.Helper()
	e, ok := s.Find(path)
	if !ok {
		t.Fatalf("the stock has no %s", path)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	return s.Unpack(t.Context(), e, to, say)
}

func TestUnpack(t *testing.T) {
	s := pack(t, sample(t))
	cache := t.TempDir()
	var said []string
	for _, path := range []string{"image/abc", "files.tar"} {
		if err := unpackTo(t, s, path, filepath.Join(cache, path), func(line string) { said = append(said, line) }); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	if !strings.Contains(strings.Join(said, "\n"), "100 %") {
		t.Errorf("said %q", said)
	}
	root := filepath.Join(cache, "image/abc/root")
	stat := func(name string) os.FileInfo {
		fi, err := os.Lstat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return fi
	}
	if m := stat("bin/tool").Mode(); m != 0o755|os.ModeSetuid || !os.SameFile(stat("bin/tool"), stat("bin/again")) {
		t.Errorf("bin/tool is %v; the same as bin/again: %v", m, os.SameFile(stat("bin/tool"), stat("bin/again")))
	}
	if stat("etc").Mode().Perm() != 0o700 || stat("fifo").Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("etc is %v, fifo is %v", stat("etc").Mode(), stat("fifo").Mode())
	}
	if to, err := os.Readlink(filepath.Join(root, "link")); err != nil || to != "/bin/tool" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if at := stat("etc/motd").ModTime().UTC(); at.Year() != 2024 {
		t.Errorf("what was older than the build is of %v", at)
	}
	if at := stat("etc").ModTime(); !at.Equal(newest) {
		t.Errorf("what the build made is of %v, want %v", at, newest)
	}
	for _, out := range []string{"image/abc/disk", "image/abc/root/etc/mirror"} {
		if _, err := os.Stat(filepath.Join(cache, out)); err == nil {
			t.Errorf("%s is not to be packed, and was", out)
		}
	}
	if b, err := os.ReadFile(filepath.Join(cache, "files.tar")); err != nil || string(b) != "one file" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	if e, ok := s.Find("image/other"); ok {
		t.Errorf("an entry of another hash: %+v", e)
	}
}

// TestSameBytes packs the same content, made at different times and in another order.
func TestSameBytes(t *testing.T) {
	cache := sample(t)
	one := pack(t, cache)
	later := time.Now().Add(time.Hour)
	tool := filepath.Join(cache, "image/abc/root/bin/tool")
	if err := errors.Join(os.Chtimes(tool, later, later), os.Rename(tool, tool+".x"), os.Rename(tool+".x", tool)); err != nil {
		t.Fatal(err)
	}
	two := pack(t, cache)
	for _, name := range []string{listName, one.Entries[0].File, one.Entries[1].File} {
		a, err1 := os.ReadFile(filepath.Join(one.Dir, name))
		b, err2 := os.ReadFile(filepath.Join(two.Dir, name))
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs (%d and %d bytes), %v", name, len(a), len(b), err)
		}
	}
}

// TestDamaged: whatever became of an archive is said in one sentence, with a remedy.
func TestDamaged(t *testing.T) {
	for name, spoil := range map[string]func(file string) error{
		"cut off": func(f string) error { return os.Truncate(f, 1<<20) },
		"empty":   func(f string) error { return os.Truncate(f, 0) },
		"gone":    os.Remove,
		"a bit": func(f string) error {
			b, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 4
			return os.WriteFile(f, b, 0o644)
		},
		"longer": func(f string) error {
			b, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			return os.WriteFile(f, append(b, 0), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := pack(t, sample(t))
			if err := spoil(filepath.Join(s.Dir, s.Entries[0].File)); err != nil {
				t.Fatal(err)
			}
			err := unpackTo(t, s, "image/abc", filepath.Join(t.TempDir(), "x"), quiet)
			isDamage(t, err, s.Entries[0].File)
		})
	}
	s := pack(t, sample(t))
	if err := os.Truncate(filepath.Join(s.Dir, listName), 10); err != nil {
		t.Fatal(err)
	}
	_, err := Open(s.Dir)
	isDamage(t, err, listName)
}

func isDamage(t *testing.T, err error, file string) {
	t.Helper()
	var host *machine.HostError
	if !errors.As(err, &host) || !strings.Contains(err.Error(), file+", which came with nori, is damaged") || host.Remedy == "" {
		t.Errorf("got %v", err)
	}
}

// TestFullDisk: a target that can't be written to is no damage.
func TestFullDisk(t *testing.T) {
	s := pack(t, sample(t))
	to := filepath.Join(t.TempDir(), "there")
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to, "kernel"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := s.Unpack(t.Context(), s.Entries[0], to, quiet)
	if !errors.Is(err, os.ErrExist) || strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	s := pack(t, sample(t))
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Unpack(ctx, s.Entries[0], filepath.Join(t.TempDir(), "x"), func(string) { cancel() })
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
}

// TestBeside: programs have a stock where a package or an archive puts it, and nowhere
// else, as root believes what is in it.
func TestBeside(t *testing.T) {
	s := pack(t, sample(t))
	prefix := t.TempDir()
	if err := os.MkdirAll(filepath.Join(prefix, "share/noriter"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.Dir, filepath.Join(prefix, Images)); err != nil {
		t.Fatal(err)
	}
	for bin, want := range map[string]int{Programs: 2, "lib/noriter/bin/x": 0, "x/y/z": 0, "bin": 0} {
		if s, err := beside(filepath.Join(prefix, bin)); err != nil || len(s.Entries) != want {
			t.Errorf("%s: %d entries, %v", bin, len(s.Entries), err)
		}
	}
}
