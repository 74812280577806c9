package image

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/provision/seal"
)

// fakeCache is a cache whose images are made in no time, and what was said and done.
type fakeCache struct {
	t             *testing.T
	options       Options
	built, packed int
	said          []string
	standing      []string
}

func newFakeCache(t *testing.T) *fakeCache {
	t.Helper()
	c := &fakeCache{t: t}
	c.options = Options{
		CacheDir: t.TempDir(), Disk: true,
		Say:      func(s string) { c.said = append(c.said, s) },
		Standing: func(string) ([]string, error) { return c.standing, nil },
		sync:     func(string) error { return nil },
		build: func(ctx context.Context, r recipe, work string, say func(string)) error {
			c.built++
			return fakeRoot(ctx, r, work, say)
		},
		disk: func(_ context.Context, _, _, to string) error {
			c.packed++
			return os.WriteFile(to, []byte("QFI\xfb and the rest"), 0o644)
		},
	}
	return c
}

// image makes the cache's image and disk whole.
func (c *fakeCache) image() Image {
	c.t.Helper()
	img, err := Ensure(c.t.Context(), c.options)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := img.EnsureDisk(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	return img
}

// spoils are what may become of a file.
var spoils = map[string]func(path string) error{
	"missing":   os.Remove,
	"empty":     func(path string) error { return os.Truncate(path, 0) },
	"truncated": func(path string) error { return os.Truncate(path, 3) },
	"other bytes": func(path string) error {
		fi, err := os.Stat(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(strings.Repeat("x", int(fi.Size()))), 0o644); err != nil {
			return err
		}
		later := fi.ModTime().Add(time.Second) // a file system's clock may stand for some milliseconds
		return os.Chtimes(path, later, later)
	},
}

// TestDamagedFilesAreMadeAgain is each file of an image that is of a kind of its own, in
// each way in which it may be damaged.
func TestDamagedFilesAreMadeAgain(t *testing.T) {
	for file, made := range map[string]struct{ built, packed int }{
		"root/usr/bin/containerd":                 {1, 1},
		"root/usr/lib/modules/6.12.0/modules.dep": {1, 1},
		"vmlinuz":        {1, 1},
		"initrd":         {1, 1},
		"seal.json":      {1, 1},
		"manifest.json":  {0, 0},
		"disk.qcow2":     {0, 1},
		"disk.seal.json": {0, 1},
	} {
		for what, spoil := range spoils {
			t.Run(what+" "+file, func(t *testing.T) {
				c, made := newFakeCache(t), made
				img := c.image()
				c.built, c.packed = 0, 0
				if err := spoil(filepath.Join(img.Dir, file)); err != nil {
					t.Fatal(err)
				}
				c.image()
				if file == "disk.seal.json" && what == "missing" {
					made.packed = 0 // a disk without a seal is an older nori's
				}
				if c.built != made.built || c.packed != made.packed {
					t.Errorf("built %d times, made a disk %d times; want %v", c.built, c.packed, made)
				}
				if said := strings.Join(c.said, "\n"); made.built+made.packed > 0 && (len(c.said) != 1 || !strings.Contains(said, filepath.Base(file)) || !strings.Contains(said, "making it again")) {
					t.Errorf("said %q", said)
				}
				if err := errors.Join(img.Check(), img.checkDisk()); err != nil {
					t.Errorf("afterwards: %v", err)
				}
				if m, err := img.Manifest(); err != nil || m.Kernel != "6.12.0" || m.Suite == "" || m.Nori == "" {
					t.Errorf("the manifest is %+v, %v", m, err)
				}
				c.built, c.packed, c.said = 0, 0, nil
				if c.image(); c.built+c.packed+len(c.said) > 0 {
					t.Errorf("the next time: built %d, made %d disks, said %q", c.built, c.packed, c.said)
				}
			})
		}
	}
}

// TestNotUnderTheFeet: what machines stand on stays as it is, and it is said who they are.
func TestNotUnderTheFeet(t *testing.T) {
	for name, c := range map[string]struct {
		file     string
		also     string
		standing bool // machines' disks lie on the image's
		open     bool // a machine has the disk open
		disk     bool // the new testbed wants virtual machines
		gone     bool // the whole image is, not one file
		refused  string
	}{
		"root, disks on it":               {file: "root/usr/bin/containerd", standing: true, refused: `testbed "a"`},
		"root, a machine runs":            {file: "root/usr/bin/containerd", open: true, refused: "process"},
		"disk, disks on it":               {file: "disk.qcow2", standing: true, disk: true, refused: `testbed "a"`},
		"disk, for containers":            {file: "disk.qcow2", standing: true},
		"kernel, a machine runs":          {file: "vmlinuz", open: true, disk: true, refused: "process"},
		"kernel, for containers":          {file: "vmlinuz", open: true},
		"manifest, a machine runs":        {file: "manifest.json", open: true, disk: true},
		"kernel and manifest, containers": {file: "vmlinuz", also: "manifest.json", open: true},
		"gone, disks on it":               {standing: true, gone: true, refused: `testbed "a"`},
		"gone, nobody stands on it":       {gone: true},
		"root, nobody stands on it":       {file: "root/usr/bin/containerd"},
		"kernel, nobody stands on it":     {file: "vmlinuz"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := newFakeCache(t)
			img := cache.image()
			cache.options.Disk = c.disk
			if c.standing {
				cache.standing = []string{"a"}
			}
			if c.open {
				openFile(t, img.Disk)
			}
			if c.gone {
				if err := os.RemoveAll(img.Dir); err != nil {
					t.Fatal(err)
				}
			} else if err := os.Truncate(filepath.Join(img.Dir, c.file), 0); err != nil {
				t.Fatal(err)
			}
			if c.also != "" {
				if err := os.Truncate(filepath.Join(img.Dir, c.also), 0); err != nil {
					t.Fatal(err)
				}
			}
			before := names(t, img.Dir)
			again, err := Ensure(t.Context(), cache.options)
			if err == nil && c.disk {
				_, err = again.EnsureDisk(t.Context())
			}
			var inUse *InUseError
			if errors.As(err, &inUse) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) {
				t.Fatalf("got %v", err)
			}
			if after := names(t, img.Dir); c.refused != "" && before != after {
				t.Errorf("something was changed: %s, then %s", before, after)
			}
		})
	}
}

// names are a folder's files, each with its inode.
func names(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil && unix.Lstat(path, &st) == nil && filepath.Base(path) != "disk.lock" {
			out.WriteString(path + " " + time.Duration(st.Ino).String() + "\n")
		}
		return nil // a folder that is not there is one, too
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// openFile has another process open a file, as a running machine does.
func openFile(t *testing.T, file string) {
	t.Helper()
	c := exec.Command("sh", "-c", `exec 3<"$1" && echo open && exec cat`, "sh", file)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// TestCopiedCache: a copy by hard links is as good, and whatever becomes of the one
// leaves the other alone.
func TestCopiedCache(t *testing.T) {
	c := newFakeCache(t)
	img := c.image()
	before := names(t, img.Dir)
	copied := t.TempDir()
	if out, err := exec.Command("cp", "-al", filepath.Join(c.options.CacheDir, "image"), copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c.built, c.packed, c.options.CacheDir = 0, 0, copied
	mine := c.image()
	if c.built+c.packed > 0 {
		t.Errorf("built %d times, made a disk %d times", c.built, c.packed)
	}
	// Each file is replaced, as a copy that is not written through would be.
	for _, f := range []string{"root/usr/bin/containerd", "disk.qcow2", "manifest.json", "seal.json"} {
		path := filepath.Join(mine.Dir, f)
		if err := errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		c.image()
	}
	if c.built == 0 {
		t.Error("nothing was made again")
	}
	if after := names(t, img.Dir); before != after {
		t.Errorf("the other cache was changed: %s, then %s", before, after)
	}
	if err := errors.Join(img.Check(), img.Verify(), img.checkDisk()); err != nil {
		t.Errorf("the other cache: %v", err)
	}
}

// TestVerify finds what no look shows, and from then on a look shows it.
func TestVerify(t *testing.T) {
	for _, file := range []string{"root/usr/bin/containerd", "disk.qcow2"} {
		c := newFakeCache(t)
		img := c.image()
		path := filepath.Join(img.Dir, file)
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		content := strings.Repeat("x", int(fi.Size()))
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o644), os.Chtimes(path, fi.ModTime(), fi.ModTime())); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(img.Check(), img.checkDisk()); err != nil {
			t.Fatalf("%s: a look shows it: %v", file, err)
		}
		if err := img.Verify(); err == nil || !strings.Contains(err.Error(), file+" holds other bytes") {
			t.Errorf("%s: %v", file, err)
		}
		c.built, c.packed = 0, 0
		if c.image(); c.built+c.packed == 0 {
			t.Errorf("%s was not made again", file)
		}
	}
}

// older makes an image what one before version 1 is: without seals.
func older(t *testing.T, img Image) {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	m.Version, m.Nori = 0, ""
	err = errors.Join(keepManifest(img.Dir, m), os.Remove(filepath.Join(img.Dir, sealName)), os.Remove(filepath.Join(img.Dir, diskSealName)))
	if err != nil {
		t.Fatal(err)
	}
}

// TestOlderImage: it is taken as it is, and damage is noticed from then on.
func TestOlderImage(t *testing.T) {
	c := newFakeCache(t)
	img := c.image()
	older(t, img)
	c.built, c.packed = 0, 0
	c.image()
	if c.built+c.packed > 0 {
		t.Errorf("built %d times, made a disk %d times", c.built, c.packed)
	}
	for _, f := range []string{sealName, diskSealName} {
		if _, err := os.Stat(filepath.Join(img.Dir, f)); err != nil {
			t.Error(err)
		}
	}
	if err := os.Truncate(filepath.Join(img.Root, "usr/lib/modules/6.12.0/modules.dep"), 0); err != nil {
		t.Fatal(err)
	}
	if c.image(); c.built != 1 {
		t.Errorf("damage: built %d times", c.built)
	}
}

// TestDamagedOlderImage is what can be seen without a seal.
func TestDamagedOlderImage(t *testing.T) {
	for _, file := range []string{"root/usr/bin/containerd", "root/var/lib/dpkg/status", "vmlinuz", "initrd", "manifest.json"} {
		for _, what := range []string{"missing", "empty"} {
			c := newFakeCache(t)
			img := c.image()
			older(t, img)
			c.built = 0
			if err := spoils[what](filepath.Join(img.Dir, file)); err != nil {
				t.Fatal(err)
			}
			if c.image(); c.built != 1 {
				t.Errorf("%s %s: built %d times", what, file, c.built)
			}
		}
	}
}

// TestNewerImage: what a newer nori keeps is left to it.
func TestNewerImage(t *testing.T) {
	for _, file := range []string{manifestName, sealName, diskSealName} {
		c := newFakeCache(t)
		img := c.image()
		path := filepath.Join(img.Dir, file)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		newer := strings.NewReplacer(`"version":1`, `"version":2`, `"version": 1`, `"version": 2`).Replace(string(b))
		if err := os.WriteFile(path, []byte(newer), 0o644); err != nil {
			t.Fatal(err)
		}
		before := names(t, img.Dir)
		_, err = Ensure(t.Context(), c.options)
		if err == nil {
			_, err = img.EnsureDisk(t.Context())
		}
		var refused *format.NewerError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", file, err)
		}
		if after := names(t, img.Dir); before != after {
			t.Errorf("%s: something was changed", file)
		}
	}
}

// TestOpenLooks: a command that starts no machine looks at little, but at what is likely.
func TestOpenLooks(t *testing.T) {
	c := newFakeCache(t)
	img := c.image()
	if _, err := Open(c.options, img.ID); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(img.Root, "usr/bin/containerd"), 0); err != nil {
		t.Fatal(err)
	}
	var d *seal.Damage
	if _, err := Open(c.options, img.ID); !errors.As(err, &d) {
		t.Errorf("got %v", err)
	}
}
