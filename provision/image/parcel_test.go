package image

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/provision/filesum"
	"noriter.dev/noriter/provision/machine"
)

func TestParcel(t *testing.T) {
	// What the machines see does not depend on who packs.
	defer unix.Umask(unix.Umask(0o077))
	dir := t.TempDir()
	program, archive := filepath.Join(dir, "program"), filepath.Join(dir, "a.tar")
	write := func(file, content string, mode fs.FileMode) {
		if err := os.WriteFile(file, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	write(program, strings.Repeat("#!/bin/sh\n", 200_000), 0o700)
	write(archive, "tar", 0o600)
	p := Parcel{CacheDir: filepath.Join(dir, "cache"), Dir: filepath.Join(dir, "testbed"), Items: []ParcelItem{{program, 0o755}, {archive, 0o644}}}
	first, err := p.Ensure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	debugfs := func(image, command string) string {
		out, err := exec.Command("debugfs", "-R", command, image).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got := debugfs(first, "cat "+machine.ParcelList); strings.Count(got, "\n") != 2 || !strings.HasPrefix(got, "755 ") || !strings.HasSuffix(got, " a.tar\n") {
		t.Errorf("the list says %q", got)
	}
	if got := debugfs(first, "cat program"); len(got) != 2_000_000 {
		t.Errorf("the program has %d bytes", len(got))
	}
	for name, want := range map[string]string{"program": "0755", "a.tar": "0644"} {
		if got := debugfs(first, "stat "+name); !strings.Contains(got, "Mode:  "+want) || !strings.Contains(got, "User:     0") {
			t.Errorf("%s: %s", name, got)
		}
	}
	cached := filepath.Join(p.CacheDir, "parcel", filepath.Base(first))
	if !same(t, first, cached) {
		t.Error("the testbed's parcel takes space of its own")
	}

	// Again: the same one, also for another testbed.
	again, err := p.Ensure(t.Context())
	other, err2 := Parcel{CacheDir: p.CacheDir, Dir: filepath.Join(dir, "other"), Items: p.Items}.Ensure(t.Context())
	if err != nil || err2 != nil || again != first || !same(t, other, cached) {
		t.Errorf("%v %v %s %s", err, err2, again, other)
	}

	// Another content: the cache keeps the new one alone, the testbed both.
	write(archive, "another tar", 0o600)
	write(filepath.Join(p.CacheDir, "parcel", "0123.ext4.part"), "interrupted", 0o600)
	second, err := p.Ensure(t.Context())
	if err != nil || second == first {
		t.Fatalf("%v, %s again", err, second)
	}
	left, err := os.ReadDir(filepath.Dir(cached))
	if err != nil || len(left) != 3 { // the lock, and the newest with its seal
		t.Errorf("the cache holds %v, %v", left, err)
	}
	if _, err := os.Stat(first); err != nil {
		t.Error("a machine's parcel went: ", err)
	}
}

// TestDamagedParcel: the cache's and the testbed's are one file where one file system
// holds both, and two elsewhere.
func TestDamagedParcel(t *testing.T) {
	for _, of := range []string{"cache", "testbed", "both"} {
		for what, spoil := range spoils {
			dir := t.TempDir()
			program := filepath.Join(dir, "program")
			if err := os.WriteFile(program, []byte("program"), 0o755); err != nil {
				t.Fatal(err)
			}
			said := 0
			p := Parcel{
				CacheDir: filepath.Join(dir, "cache"), Dir: filepath.Join(dir, "testbed"), Items: []ParcelItem{{program, 0o755}},
				Say: func(string) { said++ },
			}
			mine, err := p.Ensure(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			kept := filepath.Join(p.CacheDir, "parcel", filepath.Base(mine))
			whole, err := filesum.Of(mine)
			if err != nil {
				t.Fatal(err)
			}
			target := map[string]string{"cache": kept, "testbed": mine, "both": mine}[of]
			if of != "both" { // make two files of the two names
				if err := errors.Join(os.Rename(target, target+"-"), copyFile(target+"-", target, 0o644), os.Remove(target+"-")); err != nil {
					t.Fatal(err)
				}
				if _, err := p.Ensure(t.Context()); err != nil || said > 0 {
					t.Fatalf("a copy is as good: %v, said %d", err, said)
				}
			}
			if err := spoil(target); err != nil {
				t.Fatal(err)
			}
			other := p
			other.Dir = filepath.Join(dir, "other")
			for _, q := range []Parcel{p, other} {
				got, err := q.Ensure(t.Context())
				if err != nil {
					t.Fatalf("%s, %s: %v", what, of, err)
				}
				if sum, err := filesum.Of(got); err != nil || sum.Size != whole.Size || checkParcel(got) != nil {
					t.Errorf("%s, %s: %+v, %v", what, of, sum, err)
				}
			}
			if want := of == "cache" && what != "missing" || of == "both" && what != "missing"; (said == 1) != want {
				t.Errorf("%s, %s: said %d times", what, of, said)
			}
		}
	}
}

func TestParcelRefuses(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "a", "x"), filepath.Join(dir, "b", "x")
	for _, f := range []string{one, two} {
		if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := Parcel{CacheDir: filepath.Join(dir, "cache"), Dir: filepath.Join(dir, "testbed"), Items: []ParcelItem{{one, 0o644}, {two, 0o644}}}
	if _, err := p.Ensure(t.Context()); err == nil || !strings.Contains(err.Error(), two) {
		t.Errorf("two of a name: %v", err)
	}
	p.Items = []ParcelItem{{filepath.Join(dir, "missing"), 0o644}}
	if _, err := p.Ensure(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func same(t *testing.T, a, b string) bool {
	t.Helper()
	fa, err := os.Stat(a)
	if err != nil {
		t.Fatal(err)
	}
	fb, err := os.Stat(b)
	if err != nil {
		t.Fatal(err)
	}
	return os.SameFile(fa, fb)
}
