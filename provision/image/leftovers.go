package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/provision/machine"
)

// leftoverPrefix starts the name of every folder that is being built.
const leftoverPrefix = ".building-"

const (
	// buildBytes is what a build needs at its peak: the root, the packages'
	// archives and apt's lists.
	buildBytes = 1200 << 20
	// diskBytes is what making the VMs' disk needs.
	diskBytes = 1000 << 20
)

// lock takes the file's lock, waiting for whoever holds it and saying so.
func lock(ctx context.Context, path, what string, say func(string)) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	told := false
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing gives the lock up
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if !told {
			say("waiting for " + what)
			told = true
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("waiting for %s (lock %s): %w", what, path, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// removeLeftovers removes what interrupted builds left. The caller holds the
// lock, so nobody is building.
func removeLeftovers(base string) error {
	entries, err := os.ReadDir(base)
	if err != nil {
		return fmt.Errorf("looking for leftovers: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), leftoverPrefix) {
			if err := removeTree(filepath.Join(base, e.Name())); err != nil {
				return fmt.Errorf("removing an interrupted build: %w", err)
			}
		}
	}
	return nil
}

// removeTree removes a folder of the cache. What a killed build left mounted
// in it is unmounted first, as behind a mount are the host's own files.
func removeTree(dir string) error {
	mounted, err := mountsUnder(dir)
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(mounted) {
		if err := unix.Unmount(m, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return &machine.HostError{What: "a left-over mount at " + m + " can't be taken away", Remedy: "umount " + m, Err: err}
		}
	}
	if mounted, err = mountsUnder(dir); err != nil || len(mounted) > 0 {
		return errors.Join(err, fmt.Errorf("not removing %s: still mounted: %q", dir, mounted))
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing %s: %w", dir, err)
	}
	return nil
}

// mountsUnder lists what is mounted below a folder, in the order of mounting.
func mountsUnder(dir string) ([]string, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("reading the mounts: %w", err)
	}
	// The names are escaped as proc_pid_mountinfo(5) says.
	escape := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`)
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var found []string
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], escape.Replace(dir)+"/") {
			found = append(found, unescape.Replace(f[4]))
		}
	}
	return found, nil
}

// checkSpace refuses to start what the disk can't hold.
func checkSpace(dir string, need int64) error {
	free, err := freeBytes(dir)
	if err != nil {
		return err
	}
	if free < need {
		return noSpace(dir, need, free, nil)
	}
	return nil
}

func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("asking for the free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

func noSpace(dir string, need, free int64, err error) error {
	return &machine.HostError{
		What:   fmt.Sprintf("too little disk space: %s has %d MiB free, %d MiB are needed", dir, free>>20, need>>20),
		Remedy: "free some space there, or choose another cache folder",
		Err:    err,
	}
}

// diskFull turns an error that a full disk caused into one that says so. The
// programs we run tell it only in words.
func diskFull(dir string, need int64, err error) error {
	if !errors.Is(err, unix.ENOSPC) && !strings.Contains(err.Error(), "No space left on device") &&
		!strings.Contains(err.Error(), "enough free space") {
		return err
	}
	free, ferr := freeBytes(dir)
	if ferr != nil {
		return errors.Join(err, ferr)
	}
	return noSpace(dir, need, free, err)
}

// syncTree waits until everything of the file system that holds dir is on
// the disk: one call for ten thousand files.
func syncTree(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing the image: %w", err)
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("syncing the image: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return nil
}

// diskUsage adds up the blocks that a tree takes.
func diskUsage(root string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); ok {
			sum += st.Blocks * 512
		} else {
			sum += fi.Size()
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("measuring %s: %w", root, err)
	}
	return sum, nil
}
