package nspawn

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"noriter.dev/noriter/internal/lang"
)

func (p *Provider) trashDir() string { return filepath.Join(p.dir, "trash") }

// trash is the one for what lies on the machine's disk: nothing can be moved off a file
// system in no time.
func (m *node) trash() string {
	if m.hasDisk() {
		return filepath.Join(m.diskDir(), "trash")
	}
	return m.p.trashDir()
}

// trashes are all that there may be.
func (p *Provider) trashes() ([]string, error) {
	names, err := p.names()
	dirs := []string{p.trashDir()}
	for _, name := range names {
		dirs = append(dirs, p.machine(name).trash())
	}
	return dirs, err
}

// moveToTrash moves a folder out of the way; cleanUp and Remove empty the trash.
// Moving takes no time, however much is in it.
func (p *Provider) moveToTrash(path string) error { return moveTo(p.trashDir(), path) }

func moveTo(trash, path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.MkdirAll(trash, 0o700); err != nil {
		return lang.Errorf("making the trash folder: %w", "휴지통 폴더 만들기: %w", err)
	}
	d, err := os.MkdirTemp(trash, filepath.Base(path)+"-")
	if err != nil {
		return lang.Errorf("making the trash folder: %w", "휴지통 폴더 만들기: %w", err)
	}
	if err := os.Rename(path, filepath.Join(d, "old")); err != nil {
		return lang.Errorf("discarding %s: %w", "%s 버리기: %w", path, err)
	}
	return nil
}
