package testbed

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"noriter.dev/noriter/internal/lang"
)

// Settle makes the folders, and closes those to others that an older version left open:
// there are keys in them, programs of machines that make root of whoever runs them, and
// locks, which everybody can hold who can read them. Learners who are not root have a way
// through to their desks, without a look around.
func (h Home) Settle() error {
	err := os.MkdirAll(filepath.Dir(h.Dir), 0o755)
	for _, f := range []struct {
		dir  string
		mode fs.FileMode
	}{
		{h.Dir, 0o711}, {h.Learner(), 0o711},
		{h.testbeds(), 0o700}, {h.locks(), 0o700},
	} {
		if err == nil {
			err = h.closed(f.dir, f.mode)
		}
	}
	if err != nil {
		return lang.Errorf("preparing Noriter's folders: %w", "놀이터의 폴더 준비: %w", err)
	}
	return nil
}

// OfRoot tells whether the folder is there and is root's.
func (h Home) OfRoot() bool {
	fi, err := os.Stat(h.Dir)
	if err != nil {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Uid == 0
}

// closed makes a folder, or takes from the mode of one that is there what others don't
// need. The top folder may be one that somebody has chosen, with more than ours in it:
// that one is left alone.
func (h Home) closed(dir string, mode fs.FileMode) error {
	err := os.Mkdir(dir, mode)
	if err == nil {
		return os.Chmod(dir, mode) // whatever the umask is
	}
	fi, statErr := os.Stat(dir)
	if statErr != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if fi.Mode().Perm()&^mode == 0 || dir == h.Dir && dir != rootsHome || ok && int(st.Uid) != os.Geteuid() {
		return nil
	}
	return os.Chmod(dir, fi.Mode().Perm()&mode)
}
