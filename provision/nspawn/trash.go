package nspawn

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"noriter.dev/noriter/internal/lang"
)

func (p *Provider) trashDir() string { return filepath.Join(p.dir, "trash") }

// moveToTrash moves a folder out of the way; cleanUp and Remove empty the trash.
// Moving takes no time, however much is in it.
func (p *Provider) moveToTrash(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.MkdirAll(p.trashDir(), 0o700); err != nil {
		return lang.Errorf("making the trash folder: %w", "휴지통 폴더 만들기: %w", err)
	}
	d, err := os.MkdirTemp(p.trashDir(), filepath.Base(path)+"-")
	if err != nil {
		return lang.Errorf("making the trash folder: %w", "휴지통 폴더 만들기: %w", err)
	}
	if err := os.Rename(path, filepath.Join(d, "old")); err != nil {
		return lang.Errorf("discarding %s: %w", "%s 버리기: %w", path, err)
	}
	return nil
}
