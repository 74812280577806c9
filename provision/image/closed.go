package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
)

// close keeps all others away from images, also from those that an older version left
// open to them: the trees have programs that make root of whoever runs them, and are never
// updated. An open one on whose disk machines lie stays open, since the QEMU of a host is
// another user; machines that are made later have a copy of the disk, see libvirt. Locks
// are closed, too: what others can read they can lock, and none of us would ever get it.
func (i Image) close() error {
	base := filepath.Dir(i.Dir)
	entries, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrPermission) {
		return nil // another user's cache is theirs to close
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), leftoverPrefix) { // one is being built
			continue
		}
		if below, standErr := i.options.Standing(e.Name()); standErr != nil || len(below) > 0 { // who they are may not be known
			continue
		}
		err = errors.Join(err, closed(filepath.Join(base, e.Name()), 0o700))
	}
	locks, globErr := filepath.Glob(filepath.Join(i.options.CacheDir, "*", "lock"))
	err = errors.Join(err, globErr)
	for _, lock := range locks {
		err = errors.Join(err, closed(lock, 0o600))
	}
	if err != nil {
		return lang.Errorf("closing the images' folders to others: %w", "이미지 폴더를 다른 사용자에게 닫기: %w", err)
	}
	return nil
}

// closed gives what lies at a path a mode that is of no use to others, unless it has one,
// is gone, or is another user's.
func closed(path string, mode fs.FileMode) error {
	fi, err := os.Lstat(path)
	if err != nil || fi.Mode()&fs.ModeSymlink != 0 || fi.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err = os.Chmod(path, mode); errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return nil
	}
	return err
}
