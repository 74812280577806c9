package nspawn

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/mountinfo"
)

// lockFile is systemd-nspawn's lock for the mounted root, named after the
// inode, and "" if none is mounted. Killed, it leaves the file behind.
func (m *node) lockFile() string {
	st, err := stat(m.root())
	mounted, merr := mountinfo.Under(m.root())
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
			return lang.Errorf("removing what systemd-nspawn left: %w", "systemd-nspawn이 남긴 것 제거: %w", err)
		}
	}
	return nil
}
