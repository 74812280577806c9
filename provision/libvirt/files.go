package libvirt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"noriter.dev/noriter/internal/lang"
)

// writeFile writes a file whole or not at all.
func writeFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(content); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// emptyDir removes what is in a folder, and not the folder, which may be
// mounted somewhere.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return lang.Errorf("emptying %s: %w", "%s 비우기: %w", dir, err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return lang.Errorf("emptying %s: %w", "%s 비우기: %w", dir, err)
		}
	}
	return nil
}
