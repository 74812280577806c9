package nspawn

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

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
	return nspawnLock(st)
}

// nspawnLock is systemd-nspawn's lock for a folder.
func nspawnLock(st unix.Stat_t) string {
	return filepath.Join(locksDir, fmt.Sprintf("inode-%d:%d", st.Dev, st.Ino))
}

// locksDir is where systemd-nspawn keeps its locks.
const locksDir = "/run/systemd/nspawn/locks"

// lockNote keeps the lock's name, for a root that somebody has unmounted.
func (m *node) lockNote() string { return filepath.Join(m.dir, "nspawn-lock") }

func (m *node) noteLock() error {
	if err := os.WriteFile(m.lockNote(), []byte(m.lockFile()), 0o600); err != nil {
		return lang.Errorf("noting systemd-nspawn's lock: %w", "systemd-nspawn의 잠금 기록: %w", err)
	}
	return nil
}

// removeLocks removes the lock of the mounted root, and the one that was noted.
func (m *node) removeLocks() error {
	locks := []string{m.lockFile()}
	if b, err := os.ReadFile(m.lockNote()); err == nil && filepath.Dir(string(b)) == locksDir {
		locks = append(locks, string(b))
	}
	for _, lock := range locks {
		err := os.Remove(lock)
		if lock != "" && err != nil && !errors.Is(err, fs.ErrNotExist) {
			return lang.Errorf("removing what systemd-nspawn left: %w", "systemd-nspawn이 남긴 것 제거: %w", err)
		}
	}
	return nil
}

// runtimeDirs are the folders that systemd-nspawn has for the machine.
func (m *node) runtimeDirs() (dirs []string) {
	for _, kind := range []string{"propagate", "unix-export"} {
		dirs = append(dirs, filepath.Join("/run/systemd/nspawn", kind, m.unit()))
	}
	return dirs
}

// removeRuntime removes the folders that systemd-nspawn leaves behind.
func (m *node) removeRuntime() error {
	for _, dir := range m.runtimeDirs() {
		if err := removeIfThere(dir); err != nil {
			return err
		}
	}
	return nil
}

// removeIfThere removes a file or an empty folder of systemd-nspawn's.
func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return lang.Errorf("removing what systemd-nspawn left: %w", "systemd-nspawn이 남긴 것 제거: %w", err)
	}
	return nil
}
