package nspawn

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/preflight"
)

// What kernels and file systems can mount is not told by any list: it is tried.

// tryOverlay mounts an overlay below a folder.
func tryOverlay(dir string) error {
	return tryBelow(dir, func(tmp string) error { return mountTry(tmp, filepath.Join(tmp, "lower")) })
}

// tryUsers does in small, below a folder, what a machine with users of its own needs:
// an overlay upon a folder whose owners are shifted, by default a folder made for it. It
// takes a kernel that can (Linux 5.19) and that lets root make user namespaces, file
// systems that can, and a systemd-nspawn that leaves the owners alone.
func tryUsers(from, dir string) error {
	if help, err := exec.Command("systemd-nspawn", "--help").Output(); err != nil || !strings.Contains(string(help), "--private-users-ownership") {
		return lang.Errorf("this systemd-nspawn has no --private-users-ownership", "이 systemd-nspawn에는 --private-users-ownership이 없습니다")
	}
	return tryBelow(dir, func(tmp string) error {
		if from == "" {
			from = filepath.Join(tmp, "lower")
		}
		view := filepath.Join(tmp, "view")
		if err := mountShifted(firstUserID, from, view); err != nil {
			return err
		}
		defer func() { _ = unix.Unmount(view, unix.MNT_DETACH) }()
		return mountTry(tmp, view)
	})
}

// tryBelow makes folders to try mounts with below a folder, or below the nearest one
// above it that exists. What is mounted ends with the thread that does it.
func tryBelow(dir string, try func(tmp string) error) error {
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		dir = filepath.Dir(dir)
	}
	tmp, err := os.MkdirTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, d := range []string{"lower", "view", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(tmp, d), 0o755); err != nil {
			return err
		}
	}
	return preflight.Apart(unix.CLONE_NEWNS, func() error {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return lang.Errorf("making mounts private: %w", "마운트를 비공개로 만들기: %w", err)
		}
		return try(tmp)
	})
}

func mountTry(tmp, lower string) error {
	opts := fmt.Sprintf("lowerdir=%s,upperdir=%[2]s/upper,workdir=%[2]s/work", escapeOption(lower), escapeOption(tmp))
	merged := filepath.Join(tmp, "merged")
	if err := unix.Mount("overlay", merged, "overlay", 0, opts); err != nil {
		return lang.Errorf("mounting an overlay: %w", "오버레이 마운트: %w", err)
	}
	return unix.Unmount(merged, 0)
}
