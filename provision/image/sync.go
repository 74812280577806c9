package image

import (
	"os"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
)

// syncTree waits until everything of the file system that holds dir is on
// the disk: one call for ten thousand files.
func syncTree(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return lang.Errorf("syncing the image: %w", "이미지 동기화: %w", err)
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return lang.Errorf("syncing the image: %w", "이미지 동기화: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return lang.Errorf("syncing %s: %w", "%s 동기화: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return lang.Errorf("syncing %s: %w", "%s 동기화: %w", dir, err)
	}
	return nil
}
