package pki

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"noriter.dev/noriter/internal/lang"
)

// makePrivateDir makes a folder that only its owner may look into, and closes
// one that is open to others.
func makePrivateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return lang.Errorf("pki: making the folder for keys: %w", "pki: 키 폴더 만들기: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return lang.Errorf("pki: closing the folder for keys to others: %w", "pki: 키 폴더를 다른 사용자에게 닫기: %w", err)
	}
	return nil
}

// read loads a file of the folder and remembers it. A missing file is nil.
func (b *Bundle) read(name string) ([]byte, error) {
	path := filepath.Join(b.dir, name)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, lang.Errorf("pki: reading %s: %w", "pki: %s 읽기: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, lang.Errorf("pki: closing %s to others: %w", "pki: %s을(를) 다른 사용자에게 닫기: %w", path, err)
	}
	b.content[name] = data
	return data, nil
}

// write puts a file in place whole: written beside the target, synced, then
// renamed over it.
func (b *Bundle) write(name string, data []byte) (err error) {
	path := filepath.Join(b.dir, name)
	if err := makePrivateDir(filepath.Dir(path)); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return lang.Errorf("pki: writing %s: %w", "pki: %s 쓰기: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name()) // the first error is the one to report
			err = lang.Errorf("pki: writing %s: %w", "pki: %s 쓰기: %w", path, err)
		}
	}()
	if _, err := tmp.Write(data); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Sync(); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	b.content[name] = data
	return nil
}
