package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"noriter.dev/noriter/provision/machine"
)

// noise is content that doesn't compress.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

func source(t *testing.T, content []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(p, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestUploadIsNeverOpen: a key on its way can't be read by others, whether its part
// is new or was left by somebody who made it open.
func TestUploadIsNeverOpen(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o022))
	key := noise(2 << 20)
	for _, compress := range []bool{false, true} {
		for _, left := range []bool{false, true} {
			s := newServer(t)
			s.target.Compress = compress
			s.cutAfter.Store(1 << 20)
			c := s.dial(t)
			dir := t.TempDir()
			file := machine.File{Path: dir + "/ca.key", Mode: 0o600, Source: source(t, key)}
			sends, err := prepare([]machine.File{file})
			if err != nil {
				t.Fatal(err)
			}
			if left {
				if err := os.WriteFile(sends[0].part(), key[:1000], 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Upload(t.Context(), file); err == nil {
				t.Fatal("the connection was not cut")
			}
			if fi, err := os.Stat(sends[0].part()); err != nil || fi.Mode() != 0o600 {
				t.Errorf("compressed %v, left behind %v: the part is %v, %v", compress, left, fi.Mode(), err)
			}
		}
	}
}

func TestUpload(t *testing.T) {
	s := newServer(t)
	c := s.dial(t)
	dir := t.TempDir()
	big := noise(5 << 20)
	files := []machine.File{
		{Path: dir + "/a/b/small", Content: []byte("small")},
		{Path: dir + "/empty"},
		{Path: dir + "/it's a *name*", Mode: 0o600, Content: []byte("odd")},
		{Path: dir + "/big", Mode: 0o755, Source: source(t, big)},
	}
	for i := range 150 {
		files = append(files, machine.File{Path: fmt.Sprintf("%s/many/%d", dir, i), Content: fmt.Appendf(nil, "%d", i)})
	}
	if err := c.Upload(t.Context(), files...); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, dir+"/big"), big) || string(read(t, dir+"/a/b/small")) != "small" || len(read(t, dir+"/empty")) != 0 ||
		string(read(t, dir+"/it's a *name*")) != "odd" || string(read(t, dir+"/many/149")) != "149" {
		t.Error("contents differ")
	}
	for p, want := range map[string]fs.FileMode{"/big": 0o755, "/it's a *name*": 0o600, "/a/b/small": 0o644} {
		if fi, err := os.Stat(dir + p); err != nil || fi.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", p, fi.Mode(), err, want)
		}
	}
	if got := names(t, dir); len(got) != 5 {
		t.Errorf("the folder holds %q", got)
	}

	// Again: nothing is sent, only a mode is changed.
	before, _ := os.Stat(dir + "/big")
	files[3].Mode = 0o700
	sent := s.received.Load()
	if err := c.Upload(t.Context(), files...); err != nil {
		t.Fatal(err)
	}
	after, _ := os.Stat(dir + "/big")
	if !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Error("a file that was there was written again")
	}
	if after.Mode() != 0o700 {
		t.Errorf("mode %v", after.Mode())
	}
	if n := s.received.Load() - sent; n > 200<<10 {
		t.Errorf("%d bytes were sent for nothing", n)
	}
	// Same size, other content.
	if err := c.Upload(t.Context(), machine.File{Path: dir + "/a/b/small", Content: []byte("SMALL")}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir+"/a/b/small"); string(got) != "SMALL" {
		t.Errorf("got %q", got)
	}
}

func TestUploadResumes(t *testing.T) {
	for _, compress := range []bool{false, true} {
		t.Run(fmt.Sprint("compress=", compress), func(t *testing.T) {
			if _, err := exec.LookPath("zstd"); err != nil && compress {
				t.Skip("needs zstd")
			}
			s := newServer(t)
			s.target.Compress = compress
			big := noise(24 << 20)
			dir, src := t.TempDir(), source(t, big)
			file := machine.File{Path: dir + "/big", Source: src}
			s.cutAfter.Store(16 << 20)
			if err := s.dial(t).Upload(t.Context(), file); err == nil {
				t.Fatal("no error though the connection was cut")
			}
			if _, err := os.Stat(file.Path); err == nil {
				t.Fatal("half a file is in place")
			}
			left := names(t, dir)
			if len(left) != 1 || !strings.HasPrefix(left[0], ".big"+partInfix) {
				t.Fatalf("left: %q, want a part", left)
			}
			sent := s.received.Load()
			if err := s.dial(t).Upload(t.Context(), file); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(read(t, file.Path), big) {
				t.Error("content differs")
			}
			if n := s.received.Load() - sent; n > 16<<20 {
				t.Errorf("%d MiB were sent after the cut at 16 of 24", n>>20)
			}
			if got := names(t, dir); len(got) != 1 {
				t.Errorf("left: %q", got)
			}
		})
	}
}

func TestUploadDamagedPart(t *testing.T) {
	s := newServer(t)
	c := s.dial(t)
	big := noise(6 << 20)
	dir := t.TempDir()
	file := machine.File{Path: dir + "/big", Content: big}
	one, err := prepareOne(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, part := range map[string][]byte{
		"wrong":    bytes.Repeat([]byte("x"), 5<<20),
		"too long": append(bytes.Clone(big), "more"...),
	} {
		if err := os.WriteFile(filepath.Join(dir, one.partName()), part, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, ".big"+partInfix+"0123456789abcdef"), part, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.Upload(t.Context(), file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(read(t, file.Path), big) {
			t.Errorf("%s: content differs", name)
		}
		if got := names(t, dir); len(got) != 1 {
			t.Errorf("%s: left: %q", name, got)
		}
		if err := os.Remove(file.Path); err != nil {
			t.Fatal(err)
		}
	}
	s.damage.Store(true)
	if err := c.Upload(t.Context(), file); err != nil || !bytes.Equal(read(t, file.Path), big) {
		t.Errorf("damaged on its way: %v", err)
	}
}

func TestUploadRefuses(t *testing.T) {
	c := newServer(t).dial(t)
	dir := t.TempDir()
	for name, files := range map[string][]machine.File{
		"relative":        {{Path: "a/b"}},
		"not clean":       {{Path: dir + "/../x"}},
		"line feed":       {{Path: dir + "/a\nb"}},
		"twice":           {{Path: dir + "/a"}, {Path: dir + "/a"}},
		"both":            {{Path: dir + "/a", Content: []byte("x"), Source: "/etc/passwd"}},
		"no source":       {{Path: dir + "/a", Source: dir + "/none"}},
		"source a folder": {{Path: dir + "/a", Source: dir}},
		"target a folder": {{Path: dir, Content: []byte("x")}},
	} {
		if err := c.Upload(t.Context(), files...); err == nil || !strings.Contains(err.Error(), "node1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Upload(ctx, machine.File{Path: dir + "/a"}); err == nil {
		t.Error("uploaded though cancelled")
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("12 644 regular file//etc/passwd")
	f.Add("0 755 directory//a b/ c")
	f.Add(" 9 ")
	f.Fuzz(func(t *testing.T, line string) {
		name, st, err := parseStat(line)
		if err == nil && (!strings.HasPrefix(name, "/") || st.size < 0 || st.mode > 0o777) {
			t.Errorf("%q became %q %+v", line, name, st)
		}
	})
}

// What the machine's parcel has, in the mode asked for, is linked and not sent;
// a file that changed since is sent in the link's place.
func TestUploadFromParcel(t *testing.T) {
	s := newServer(t)
	parcel, dir := t.TempDir(), t.TempDir()
	s.target.Parcel = parcel
	c := s.dial(t)
	program, other := noise(2<<20), noise(3<<20)
	write := func(name string, content []byte, mode fs.FileMode) {
		if err := os.WriteFile(filepath.Join(parcel, name), content, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("program", program, 0o755)
	write(machine.ParcelList, fmt.Appendf(nil, "755 %x program\n", sha256.Sum256(program)), 0o644)

	target := dir + "/bin/program"
	upload := func(files ...machine.File) int64 {
		t.Helper()
		sent := s.received.Load()
		if err := c.Upload(t.Context(), files...); err != nil {
			t.Fatal(err)
		}
		return s.received.Load() - sent
	}
	file := machine.File{Path: target, Mode: 0o755, Source: source(t, program)}
	for range 2 {
		if n := upload(file, machine.File{Path: dir + "/small", Content: []byte("small")}); n > 100<<10 {
			t.Errorf("%d bytes were sent of what the parcel has", n)
		}
		if to, err := os.Readlink(target); err != nil || to != parcel+"/program" {
			t.Errorf("the link leads to %q, %v", to, err)
		}
	}
	if string(read(t, dir+"/small")) != "small" {
		t.Error("the file beside it is missing")
	}
	if got := names(t, dir+"/bin"); len(got) != 1 {
		t.Errorf("the folder holds %q", got)
	}

	// Another mode than the parcel's, and another content.
	upload(machine.File{Path: dir + "/private", Mode: 0o600, Source: file.Source})
	upload(machine.File{Path: target, Mode: 0o755, Source: source(t, other)})
	for p, want := range map[string][]byte{dir + "/private": program, target: other} {
		if fi, err := os.Lstat(p); err != nil || !fi.Mode().IsRegular() || !bytes.Equal(read(t, p), want) {
			t.Errorf("%s is no file of its own with the right content: %v %v", p, fi, err)
		}
	}
	if !bytes.Equal(read(t, parcel+"/program"), program) {
		t.Error("the parcel was written to")
	}

	// A list that names what is not there: the machine's disk is damaged.
	if err := os.Remove(parcel + "/program"); err != nil {
		t.Fatal(err)
	}
	if err := c.Upload(t.Context(), file); err == nil || !strings.Contains(err.Error(), "not there") {
		t.Errorf("a link to nothing: %v", err)
	}
	// A folder in the way is an error, as it is for a file that is sent.
	write("program", program, 0o755)
	if err := c.Upload(t.Context(), machine.File{Path: dir, Mode: 0o755, Source: file.Source}); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("a folder in the way: %v", err)
	}
}

// SFTP has no word for a full disk, so the machine is asked.
func TestUploadToAFullDisk(t *testing.T) {
	for free, full := range map[string]bool{"4096": true, "99999999": false} {
		s := newServer(t)
		s.full.Store(true)
		bin := t.TempDir()
		df := "#!/bin/sh\nprintf 'Avail Mounted on\\n99999999 /\\n" + free + " /usr/local\\n'\n"
		if err := os.WriteFile(filepath.Join(bin, "df"), []byte(df), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
		err := s.dial(t).Upload(t.Context(), machine.File{Path: filepath.Join(t.TempDir(), "file"), Content: make([]byte, 3<<20)})
		var e *machine.FullError
		switch {
		case err == nil:
			t.Error("nothing was wrong")
		case errors.As(err, &e) != full:
			t.Errorf("with %s bytes left: %v", free, err)
		case full && (e.Machine != "node1" || !strings.Contains(err.Error(), "0.0 MiB are free at /usr/local, 3.0 MiB are needed")):
			t.Errorf("got %v", err)
		}
	}
}

// A command tells of it by itself.
func TestCommandOnAFullDisk(t *testing.T) {
	_, err := newServer(t).dial(t).Run(t.Context(), machine.Command{Line: "echo 'x: No space left on device' >&2; exit 1"})
	var e *machine.FullError
	var exit *machine.ExitError
	if !errors.As(err, &e) || !errors.As(err, &exit) || exit.Status != 1 {
		t.Errorf("got %v", err)
	}
}
