package volumes

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Mounter is the part of the kernel that mounts.
type Mounter interface {
	// Mount mounts; flags and data are those of mount(2).
	Mount(source, target, fstype string, flags uintptr, data string) error
	// Unmount unmounts what was mounted last at target, not following links.
	Unmount(target string) error
	// Mounts lists the mount points at and below dir in the order they were
	// mounted.
	Mounts(dir string) ([]string, error)
}

type kernelMounter struct{}

func (kernelMounter) Mount(source, target, fstype string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		return fmt.Errorf("mounting %s at %s: %w", source, target, err)
	}
	return nil
}

func (kernelMounter) Unmount(target string) error {
	err := unix.Unmount(target, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EBUSY) {
		// Somebody on the node stands in it. Out of the tree it must go, or
		// removing the pod's directory would remove what is mounted.
		err = unix.Unmount(target, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
	}
	if err != nil {
		return fmt.Errorf("unmounting %s: %w", target, err)
	}
	return nil
}

func (kernelMounter) Mounts(dir string) ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("listing mounts: %w", err)
	}
	defer f.Close()
	real, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing mounts below %s: %w", dir, err)
	}
	var points []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		point, ok := mountPoint(lines.Text())
		if !ok {
			continue
		}
		if point == real || strings.HasPrefix(point, real+"/") {
			points = append(points, dir+strings.TrimPrefix(point, real))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("listing mounts: %w", err)
	}
	return points, nil
}

// mountPoint is the fifth field of a line of proc_pid_mountinfo(5), where blanks
// are written in octal.
func mountPoint(line string) (string, bool) {
	fields := strings.Fields(line)
	if len(fields) < 5 {
		return "", false
	}
	return unescapeOctal(fields[4]), true
}

func unescapeOctal(s string) string {
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

// mounted reports whether something is mounted at dir itself.
func (m *Manager) mounted(dir string) (bool, error) {
	points, err := m.cfg.Mounter.Mounts(dir)
	if err != nil {
		return false, err
	}
	for _, p := range points {
		if p == dir {
			return true, nil
		}
	}
	return false, nil
}

// tmpfs mounts memory at dir unless it is there. What is in it never reaches the
// disk, swap included where the kernel (6.3) can promise that.
func (m *Manager) tmpfs(dir string, bytes int64, group *int64) error {
	done, err := m.mounted(dir)
	if err != nil || done {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("making the mount point: %w", err)
	}
	options := []string{"mode=1777"}
	if group != nil {
		options = []string{"mode=3777", "gid=" + strconv.FormatInt(*group, 10)}
	}
	if bytes > 0 {
		options = append(options, "size="+strconv.FormatInt(bytes, 10))
	}
	data := strings.Join(options, ",")
	err = m.cfg.Mounter.Mount("tmpfs", dir, "tmpfs", 0, data+",noswap")
	if errors.Is(err, unix.EINVAL) {
		err = m.cfg.Mounter.Mount("tmpfs", dir, "tmpfs", 0, data)
	}
	return err
}
