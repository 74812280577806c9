package nspawn

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/provision/machine"
)

// mountPoints lists where something is mounted, in the order of mounting.
func mountPoints() ([]string, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("reading the mounts: %w", err)
	}
	var list []string
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 {
			list = append(list, unescape(f[4]))
		}
	}
	return list, nil
}

// unescape undoes the octal escapes of proc_pid_mountinfo(5).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// mountsUnder lists the mounts at or below a folder.
func mountsUnder(dir string) ([]string, error) {
	all, err := mountPoints()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(p string) bool { return p != dir && !strings.HasPrefix(p, dir+"/") }), nil
}

// mountRoot lays the machine's own folder over the image.
func (m *node) mountRoot(layers []string) error {
	mounted, err := mountsUnder(m.root())
	if err != nil || len(mounted) > 0 {
		return err
	}
	lower := make([]string, 0, len(layers)+1)
	for _, l := range layers {
		lower = append(lower, escapeOption(m.p.layerDir(l)))
	}
	lower = append(lower, escapeOption(m.p.image))
	// Whatever the kernel's defaults: a layer must be readable without the
	// others' help, as snapshots copy and stack them.
	options := "lowerdir=" + strings.Join(lower, ":") + ",upperdir=" + escapeOption(m.upper()) +
		",workdir=" + escapeOption(m.work()) + ",index=off,redirect_dir=off,metacopy=off"
	if len(options) >= os.Getpagesize() {
		return fmt.Errorf("mounting the root: the paths of its layers are too long (%d bytes)", len(options))
	}
	err = unix.Mount("noriter", m.root(), "overlay", 0, options)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENODEV) {
		return &machine.HostError{
			What:   "no overlay can be mounted on " + m.dir,
			Remedy: "load the module overlay, and keep testbeds on ext4, xfs or btrfs",
			Err:    err,
		}
	}
	if err != nil {
		return fmt.Errorf("mounting the root: %w", err)
	}
	return nil
}

// escapeOption guards what overlayfs takes for separators in its options.
func escapeOption(s string) string {
	return strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`).Replace(s)
}

// unmountRoot takes all mounts of the machine away.
func (m *node) unmountRoot() error {
	mounted, err := mountsUnder(m.dir)
	if err != nil {
		return err
	}
	// systemd-nspawn keeps a mount of its own for each machine it runs.
	for _, kind := range []string{"propagate", "unix-export"} {
		dir := filepath.Join("/run/systemd/nspawn", kind, m.unit())
		more, err := mountsUnder(dir)
		if err != nil {
			return err
		}
		mounted = append(mounted, more...)
	}
	slices.Reverse(mounted)
	for _, target := range mounted {
		if err := unmount(target); err != nil {
			return fmt.Errorf("unmounting %s: %w", target, err)
		}
	}
	return nil
}

// unmount waits a little for the last user, then detaches.
func unmount(target string) error {
	for range 20 {
		err := unix.Unmount(target, unix.UMOUNT_NOFOLLOW)
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
}

// lockFile is systemd-nspawn's lock for the mounted root, named after the
// inode, and "" if none is mounted. Killed, it leaves the file behind.
func (m *node) lockFile() string {
	st, err := stat(m.root())
	mounted, merr := mountsUnder(m.root())
	if err != nil || merr != nil || len(mounted) == 0 {
		return ""
	}
	return fmt.Sprintf("/run/systemd/nspawn/locks/inode-%d:%d", st.Dev, st.Ino)
}

// removeRuntime removes the folders that systemd-nspawn leaves behind.
func (m *node) removeRuntime() error {
	for _, kind := range []string{"propagate", "unix-export"} {
		err := os.Remove(filepath.Join("/run/systemd/nspawn", kind, m.unit()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing what systemd-nspawn left: %w", err)
		}
	}
	return nil
}
