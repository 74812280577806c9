package images

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"noriter.dev/noriter/internal/filelock"
	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/provision/seal"
)

// fakeBuild is a cache whose images are made in no time, and what was said and done.
type fakeBuild struct {
	t              *testing.T
	options        Options
	fetched, baked int
	said           []string
}

func newFakeBuild(t *testing.T) *fakeBuild {
	t.Helper()
	c := &fakeBuild{t: t}
	c.options = Options{
		CacheDir: t.TempDir(), BinDir: t.TempDir(), Say: func(s string) { c.said = append(c.said, s) },
		fetch: func(_ context.Context, _ Options, suite, _ string, _ func(string) bool) (*tree, error) {
			c.fetched++
			files := newTree()
			for _, p := range []string{"usr/bin/busybox", "usr/sbin/nginx", "usr/bin/bash", "usr/bin/curl", "usr/bin/dig"} {
				files.add(p, 0o755, []byte(suite+" "+p))
			}
			return files, nil
		},
		bake: func(in *inputs) ([]namedImage, error) {
			c.baked++
			_, nginx, err := in.debian.resolve(oldNginx)
			if err != nil || string(nginx.content) != oldSuite+" usr/sbin/nginx" {
				return nil, fmt.Errorf("the older nginx is %q, %w", nginx.content, err)
			}
			l, err := pack(sample(), "sample")
			if err != nil {
				return nil, err
			}
			var made []namedImage
			for _, archive := range []string{baseArchive, dnsArchive, appsArchive, seedArchive} {
				image, err := recipe{refs: []string{Full(archive)}, layers: []layer{l}}.image()
				if err != nil {
					return nil, err
				}
				made = append(made, namedImage{refs: []string{Full(archive)}, archive: archive, image: image})
			}
			return made, nil
		},
	}
	for _, p := range []string{"coredns", "hello", foreignProgram, "nori-ingress", "pause"} {
		if err := os.WriteFile(filepath.Join(c.options.BinDir, p), []byte(p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *fakeBuild) build() *Bundle {
	c.t.Helper()
	b, err := Build(c.t.Context(), c.options)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// spoils are what may become of a file.
var spoils = map[string]func(path string) error{
	"missing":   os.Remove,
	"empty":     func(path string) error { return os.Truncate(path, 0) },
	"truncated": func(path string) error { return os.Truncate(path, 5) },
	"other bytes": func(path string) error {
		fi, err := os.Stat(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(strings.Repeat("x", int(fi.Size()))), 0o644); err != nil {
			return err
		}
		return os.Chtimes(path, fi.ModTime(), fi.ModTime()) // a look does not show it
	},
	"another program's bytes": func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		// In an archive it is still an archive.
		return os.WriteFile(path, []byte(strings.ReplaceAll(string(b), "trixie", "TRIXIE")), 0o644)
	},
}

// TestDamagedFilesAreMadeAgain is each file of the cache that is of a kind of its own, in
// each way in which it may be damaged.
func TestDamagedFilesAreMadeAgain(t *testing.T) {
	for file, made := range map[string]struct{ fetched, baked int }{
		baseArchive: {0, 1}, dnsArchive: {0, 1}, appsArchive: {0, 1}, seedArchive: {0, 1}, allArchive: {0, 1},
		listName: {0, 1}, sealName: {0, 1},
		"debian":      {2, 0},
		"debian seal": {2, 0},
	} {
		for what, spoil := range spoils {
			t.Run(what+" "+file, func(t *testing.T) {
				c, made := newFakeBuild(t), made
				b := c.build()
				path := filepath.Join(b.Dir, file)
				switch file {
				case "debian":
					path = debianArchive(c.options)
				case "debian seal":
					path = archiveSeal(debianArchive(c.options))
				}
				switch {
				case what == "missing" && file == "debian seal":
					made.fetched = 0 // then it is an older nori's
				case what == "other bytes" && file == allArchive:
					made.baked = 0 // it is not sent anywhere, and a look does not show it
				case what == "another program's bytes" && file != "debian":
					t.Skip("it has none in it")
				}
				c.fetched, c.baked = 0, 0
				if err := spoil(path); err != nil {
					t.Fatal(err)
				}
				again := c.build()
				if c.fetched != made.fetched || c.baked != made.baked || again.Dir != b.Dir {
					t.Errorf("fetched %d times, built %d times in %s; want %v in %s", c.fetched, c.baked, again.Dir, made, b.Dir)
				}
				words := "making them again"
				if file == "debian" || file == "debian seal" {
					words = "fetching them again"
				}
				want := 1
				if made.fetched+made.baked == 0 || what == "missing" && file == "debian" {
					want = 0
				}
				if len(c.said) != want || want == 1 && !strings.Contains(c.said[0], words) {
					t.Errorf("said %q", c.said)
				}
				c.fetched, c.baked, c.said = 0, 0, nil
				if c.build(); c.fetched+c.baked+len(c.said) > 0 {
					t.Errorf("the next time: fetched %d, built %d, said %q", c.fetched, c.baked, c.said)
				}
			})
		}
	}
}

func TestVerifyFindsWhatNoLookShows(t *testing.T) {
	c := newFakeBuild(t)
	b := c.build()
	if err := spoils["other bytes"](b.All); err != nil {
		t.Fatal(err)
	}
	if err := b.Verify(); err == nil || err.Error() != "images.tar holds other bytes" {
		t.Fatalf("got %v", err)
	}
	c.baked = 0
	if c.build(); c.baked != 1 {
		t.Errorf("built %d times", c.baked)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without one: %v", err)
	}
	var d *seal.Damage
	for _, list := range []string{"", "{", "{}"} { // the last one has no seal
		if err := os.WriteFile(filepath.Join(dir, listName), []byte(list), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); !errors.As(err, &d) {
			t.Errorf("%q: %v", list, err)
		}
	}
}

// TestNewerFormat: what a newer nori keeps is left to it.
func TestNewerFormat(t *testing.T) {
	for _, file := range []string{listName, sealName, "debian"} {
		c := newFakeBuild(t)
		path := filepath.Join(c.build().Dir, file)
		if file == "debian" {
			path = archiveSeal(debianArchive(c.options))
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		newer := strings.NewReplacer(`"version":1`, `"version":2`, `"version": 1`, `"version": 2`).Replace(string(b))
		if err := os.WriteFile(path, []byte(newer), 0o644); err != nil {
			t.Fatal(err)
		}
		c.fetched, c.baked = 0, 0
		var refused *format.NewerError
		if _, err := Build(t.Context(), c.options); !errors.As(err, &refused) || c.fetched+c.baked > 0 {
			t.Errorf("%s: %v; fetched %d, built %d", file, err, c.fetched, c.baked)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != newer {
			t.Errorf("%s was changed", file)
		}
	}
}

// TestPruneKeepsTheNewest, and what somebody uses.
func TestPruneKeepsTheNewest(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"used", "oldest", "old", "new", "newest"} {
		list := filepath.Join(dir, name, "images.json")
		at := time.Now().Add(time.Duration(i) * time.Hour)
		if err := errors.Join(os.Mkdir(filepath.Dir(list), 0o755), os.WriteFile(list, []byte("{}"), 0o644), os.Chtimes(list, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "debian-trixie-0.tar"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, taken, err := filelock.Share(filepath.Join(dir, "used", useLock))
	if err != nil || !taken {
		t.Fatal(taken, err)
	}
	if err := prune(dir, 2); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if want := []string{"debian-trixie-0.tar", "new", "newest", "used"}; !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
}

// TestPruneBesideOthers has somebody ask for builds, which makes their locks, all the
// time that they are removed.
func TestPruneBesideOthers(t *testing.T) {
	dir := t.TempDir()
	for i := range 60 {
		list := filepath.Join(dir, strconv.Itoa(i), listName)
		if err := errors.Join(os.Mkdir(filepath.Dir(list), 0o755), os.WriteFile(list, []byte("{}"), 0o644)); err != nil {
			t.Fatal(err)
		}
		for j := range 40 {
			if err := os.WriteFile(filepath.Join(filepath.Dir(list), strconv.Itoa(j)), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	done := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for {
			for i := range 60 {
				select {
				case <-done:
					return
				default:
				}
				release, taken, err := filelock.Share(filepath.Join(dir, strconv.Itoa(i), useLock))
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Error(err)
					return
				}
				if taken {
					release()
				}
			}
		}
	})
	for range 20 {
		if err := prune(dir, 0); err != nil {
			t.Error(err)
			break
		}
	}
	close(done)
	others.Wait()
}
