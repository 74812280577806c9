package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// files makes files of names and contents; those that end in * are programs.
func files(t *testing.T, dir string, contents map[string]string) {
	t.Helper()
	for name, content := range contents {
		name, program := strings.CutSuffix(name, "*")
		at := filepath.Join(dir, name)
		mode := os.FileMode(0o600)
		if program {
			mode = 0o700
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, []byte(content), mode)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSameArchive: the same tree gives the same bytes, whoever made it and when.
func TestSameArchive(t *testing.T) {
	epoch := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	var archives [][]byte
	for i, mask := range []os.FileMode{0o700, 0o755} {
		dir := t.TempDir()
		o := Options{Programs: filepath.Join(dir, "bin"), Tree: filepath.Join(dir, "tree"), Version: "1.2", Epoch: epoch.In(time.FixedZone("", 3600*i))}
		files(t, o.Programs, map[string]string{"nori*": "nori", "pause*": "pause"})
		files(t, o.Tree, map[string]string{"share/doc/x": "text"})
		if err := os.Chmod(filepath.Join(o.Tree, "share"), mask); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(addPrograms(t.Context(), o), o.settle()); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, "x.tar.gz")
		if err := Archive(o, to); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, b)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two archives of one tree differ")
	}
	z, err := gzip.NewReader(bytes.NewReader(archives[0]))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*tar.Header{}
	for in := tar.NewReader(z); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(epoch) {
			t.Errorf("%s belongs to %d:%d, of %v", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		found[h.Name] = h
	}
	for name, want := range map[string]int64{"noriter-1.2/lib/noriter/bin/nori": 0o755, "noriter-1.2/share/": 0o755, "noriter-1.2/share/doc/x": 0o644} {
		if h := found[name]; h == nil || h.Mode != want {
			t.Errorf("%s: %+v, want mode %o", name, h, want)
		}
	}
	for name, want := range map[string]string{
		"noriter-1.2/nori": "bin/nori", "noriter-1.2/bin/nori": "../lib/noriter/bin/nori", "noriter-1.2/lib/noriter/bin/kubectl": "nori",
	} {
		if h := found[name]; h == nil || h.Linkname != want {
			t.Errorf("%s: %+v, want a link to %s", name, h, want)
		}
	}
	if found["noriter-1.2/bin/kubectl"] != nil {
		t.Error("kubectl is where the host's own may be")
	}
}

func TestDebianLicence(t *testing.T) {
	const readable = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-2+\n text\n\nFiles: x\nLicense: Expat\n"
	for text, want := range map[string]string{readable: "Expat, GPL-2+", "License: in words only\n": "see licences.txt.gz"} {
		p := part{licences: debianLicence(text)}
		if got := strings.Join(p.short(), ", "); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// TestTakeLicences takes the licences of a package's folders, up to its module's, once
// each, and none of its neighbours'.
func TestTakeLicences(t *testing.T) {
	top := t.TempDir()
	mit, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	files(t, top, map[string]string{
		"LICENSE": string(mit), "NOTICE.txt": "notice", "a/b/COPYING": "copying", "a/c/LICENSE": "another's",
		"licence.go": "package x", "a/b/license_test.txt": "data",
	})
	var p part
	for range 2 {
		if err := p.takeLicences(filepath.Join(top, "a/b"), top); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, l := range p.licences {
		got = append(got, l.file)
	}
	if slices.Sort(got); !slices.Equal(got, []string{"LICENSE", "NOTICE.txt", "a/b/COPYING"}) {
		t.Errorf("took %q", got)
	}
	if !slices.Equal(p.short(), []string{"Apache-2.0"}) {
		t.Errorf("it is %q", p.short())
	}
}

func TestTexts(t *testing.T) {
	same := []licence{{file: "LICENSE", text: "one text\n"}}
	got := string(texts([]part{
		{kind: "go", name: "a", version: "v1", licences: same},
		{kind: "go", name: "b", version: "v2", licences: []licence{{file: "COPYING", text: "one text\r\n"}, {file: "NOTICE", text: "another"}}},
	}))
	if strings.Count(got, "one text") != 1 || !strings.Contains(got, "go a v1 LICENSE\ngo b v2 COPYING\n") || !strings.Contains(got, "another") {
		t.Errorf("got:\n%s", got)
	}
}
