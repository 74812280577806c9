package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// fakeRoot makes what a build makes, as far as the checks look.
func fakeRoot(_ context.Context, _ recipe, work string, _ func(string)) error {
	files := append([]string{"usr/lib/modules/6.12.0/modules.dep"}, keyFiles...)
	for _, f := range files {
		p := filepath.Join(work, "root", f)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(p, []byte(f), 0o644); err != nil {
			return err
		}
	}
	status := "Package: systemd\nStatus: install ok installed\nVersion: 257\n\nPackage: runc\nStatus: install ok installed\nVersion: 1.1\n"
	if err := os.MkdirAll(filepath.Join(work, "root/var/lib/dpkg"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, "root/var/lib/dpkg/status"), []byte(status), 0o644); err != nil {
		return err
	}
	for _, f := range []string{"vmlinuz", "initrd"} {
		if err := os.WriteFile(filepath.Join(work, f), []byte(f), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func TestID(t *testing.T) {
	id := defaultRecipe().id()
	if again := defaultRecipe().id(); id != again || len(id) != 12 {
		t.Errorf("IDs %s and %s of the same recipe", id, again)
	}
	other := defaultRecipe()
	other.Packages[0], other.Packages[1] = other.Packages[1], other.Packages[0]
	if other.id() != id {
		t.Error("the order of packages changes the ID")
	}
	for name, change := range map[string]func(*recipe){
		"package": func(r *recipe) { r.Packages = append(r.Packages, "x") },
		"suite":   func(r *recipe) { r.Suite = "forky" },
		"file":    func(r *recipe) { r.Files["/etc/hosts"] += "x" },
		"mask":    func(r *recipe) { r.Masked = r.Masked[1:] },
		"module":  func(r *recipe) { r.Modules = append(r.Modules, "x") },
		"version": func(r *recipe) { r.Version++ },
	} {
		r := defaultRecipe()
		change(&r)
		if r.id() == id {
			t.Errorf("another %s has the same ID", name)
		}
	}
	if defaultRecipe().Files["/etc/ssh/sshd_config"] == "" {
		t.Error("the embedded files are not in the recipe")
	}
}

func TestEnsure(t *testing.T) {
	cache := t.TempDir()
	var built atomic.Int32
	var mu sync.Mutex
	var said []string
	o := Options{CacheDir: cache, Progress: func(s string) { mu.Lock(); said = append(said, s); mu.Unlock() }}
	o.build = func(ctx context.Context, r recipe, work string, say func(string)) error {
		built.Add(1)
		time.Sleep(500 * time.Millisecond)
		return fakeRoot(ctx, r, work, say)
	}
	if _, ok := Find(cache); ok {
		t.Error("an empty cache has an image")
	}
	// What an interrupted build left.
	left := filepath.Join(cache, "image", leftoverPrefix+"x", "root")
	if err := os.MkdirAll(left, 0o755); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			img, err := Ensure(t.Context(), o)
			if err != nil {
				t.Error(err)
			} else if _, err := os.Stat(img.Root); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if built.Load() != 1 {
		t.Errorf("built %d times", built.Load())
	}
	if !strings.Contains(strings.Join(said, "\n"), "waiting for another build") {
		t.Errorf("nobody said what they waited for: %q", said)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("the leftover is there")
	}
	img, ok := Find(cache)
	if !ok {
		t.Fatal("not found after it was built")
	}
	m, err := img.Manifest()
	if err != nil || m.ID != img.ID || m.Kernel != "6.12.0" || len(m.Packages) != 2 || m.Files["vmlinuz"] != 7 {
		t.Errorf("manifest %+v, %v", m, err)
	}
	// A damaged image is built anew.
	if err := os.Truncate(img.Kernel, 3); err != nil {
		t.Fatal(err)
	}
	if _, ok := Find(cache); ok {
		t.Error("an image with half a kernel was found")
	}
	if _, err := Ensure(t.Context(), o); err != nil || built.Load() != 2 {
		t.Errorf("%v, built %d times", err, built.Load())
	}
}

func TestHalfBuiltIsNeverUsed(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(work string) error
		want  string
		host  bool
	}{
		"build fails":    {func(string) error { return errors.New("boom") }, "boom", false},
		"key file lacks": {func(w string) error { return os.Remove(filepath.Join(w, "root/usr/sbin/sshd")) }, "sshd", false},
		"half a package": {func(w string) error {
			return os.WriteFile(filepath.Join(w, "root/var/lib/dpkg/status"), []byte("Package: runc\nStatus: install ok unpacked\n"), 0o644)
		}, "unpacked", false},
		"host keys": {func(w string) error {
			return os.WriteFile(filepath.Join(w, "root/etc/ssh/ssh_host_rsa_key"), nil, 0o644)
		}, "host keys", false},
		"no kernel":       {func(w string) error { return os.Remove(filepath.Join(w, "vmlinuz")) }, "vmlinuz", false},
		"disk full":       {func(string) error { return fmt.Errorf("writing: %w", syscall.ENOSPC) }, "too little disk space", true},
		"disk full (apt)": {func(string) error { return errors.New("E: You don't have enough free space in /var/cache") }, "too little disk space", true},
	} {
		t.Run(name, func(t *testing.T) {
			cache := t.TempDir()
			o := Options{CacheDir: cache, build: func(ctx context.Context, r recipe, work string, say func(string)) error {
				if err := fakeRoot(ctx, r, work, say); err != nil {
					return err
				}
				return c.spoil(work)
			}}
			_, err := Ensure(t.Context(), o)
			var host *machine.HostError
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &host) != c.host {
				t.Errorf("got %v", err)
			}
			if _, ok := Find(cache); ok {
				t.Error("the image is found nevertheless")
			}
			left, _ := filepath.Glob(filepath.Join(cache, "image", leftoverPrefix+"*"))
			if len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// TestLeftoverMounts removes what a killed build left mounted, and none of
// what is behind the mount.
func TestLeftoverMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	precious := filepath.Join(t.TempDir(), "of the host")
	base := t.TempDir()
	at := filepath.Join(base, leftoverPrefix+"x", "root", "a mount")
	for _, d := range []string{precious, at} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(precious, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount(precious, at, "none", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	if err := removeLeftovers(base); err != nil {
		_ = syscall.Unmount(at, syscall.MNT_DETACH)
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(precious, "file")); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(base); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestLockWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path, lang.Text{EN: "x"}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, path, lang.Text{EN: "the other"}, func(string) {}); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the other") {
		t.Errorf("got %v", err)
	}
	unlock()
	unlock, err = lock(t.Context(), path, lang.Text{EN: "x"}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestSpace(t *testing.T) {
	err := checkSpace(t.TempDir(), 1<<60)
	var host *machine.HostError
	if !errors.As(err, &host) || !strings.Contains(err.Error(), "MiB free") {
		t.Errorf("got %v", err)
	}
}

// TestRealImage looks at the image of the cache, if there is one.
func TestRealImage(t *testing.T) {
	img, ok := Find(DefaultCacheDir)
	if !ok {
		t.Skip("no image in " + DefaultCacheDir)
	}
	for _, f := range []string{"etc/hostname", "etc/fstab", "boot/vmlinuz"} {
		if _, err := os.Lstat(filepath.Join(img.Root, f)); err == nil {
			t.Errorf("the root has /%s", f)
		}
	}
	if b, err := os.ReadFile(filepath.Join(img.Root, "etc/machine-id")); err != nil || len(b) != 0 {
		t.Errorf("machine ID %q, %v", b, err)
	}
	head := make([]byte, 6)
	f, err := os.Open(img.Initrd)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Read(head); err != nil || string(head) != "070701" {
		t.Errorf("the initrd begins with %q, %v", head, err)
	}
	for _, u := range defaultRecipe().Masked {
		if to, err := os.Readlink(filepath.Join(img.Root, "etc/systemd/system", u)); err != nil || to != "/dev/null" {
			t.Errorf("unit %s is not masked: %q %v", u, to, err)
		}
	}
}

// TestImagesAreClosed: nobody else gets at the programs of machines, also not at those of
// images that an older version left open. One on whose disk a machine of the host's QEMU
// lies must stay as it is, or that machine never starts again.
func TestImagesAreClosed(t *testing.T) {
	c := newFakeCache(t)
	base := filepath.Join(c.options.CacheDir, "image")
	mode := func(name string, want os.FileMode) {
		t.Helper()
		if fi, err := os.Stat(filepath.Join(base, name)); err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, fi.Mode(), err, want)
		}
	}
	open := func(name string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Join(base, name), 0o755), os.Chmod(filepath.Join(base, name), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	c.options.Standing = func(id string) ([]string, error) {
		if id == "stood-on" {
			return []string{"a testbed"}, nil
		}
		return nil, nil
	}
	img := c.image()
	mode(img.ID, 0o700)
	open(img.ID)
	open("older")
	open("stood-on")
	for _, lock := range []string{"lock", "../parcel/lock"} {
		path := filepath.Join(base, lock)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644), os.Chmod(path, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	c.image()
	mode("lock", 0o600)
	mode("../parcel/lock", 0o600)
	mode(img.ID, 0o700)
	mode("older", 0o700)
	mode("stood-on", 0o755)
}
