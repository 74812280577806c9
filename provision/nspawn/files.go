package nspawn

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/mountinfo"
)

// writeJSON replaces a file by a whole new one or not at all.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return lang.Errorf("writing %s: %w", "%s 쓰기: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return lang.Errorf("writing %s: %w", "%s 쓰기: %w", path, err)
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(append(b, '\n')); err != nil {
		_ = f.Close()
		return lang.Errorf("writing %s: %w", "%s 쓰기: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return lang.Errorf("writing %s: %w", "%s 쓰기: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return lang.Errorf("writing %s: %w", "%s 쓰기: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return lang.Errorf("writing %s: %w", "%s 쓰기: %w", path, err)
	}
	return nil
}

// mirrorDir makes a folder with the mode and owner of another.
func mirrorDir(like, dir string) error {
	fi, err := os.Stat(like)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(dir, int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	mode := fi.Mode().Perm() | fi.Mode()&(os.ModeSticky|os.ModeSetgid|os.ModeSetuid)
	return os.Chmod(dir, mode)
}

// removeTree removes a folder unless something is mounted in it: behind a
// mount may be files of others.
func removeTree(dir string) error {
	mounted, err := mountinfo.Under(dir)
	if err != nil {
		return err
	}
	if len(mounted) > 0 {
		return lang.Errorf("still mounted: %s", "아직 마운트되어 있습니다: %s", strings.Join(mounted, " "))
	}
	return os.RemoveAll(dir)
}
