// Package filelock keeps two processes of this host from doing the same thing at
// once. The lock is the kernel's (flock(2)), on a file: it ends with its process,
// so a killed one leaves nothing locked.
package filelock

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

// tryEvery is how often a lock that another holds is tried again.
const tryEvery = 50 * time.Millisecond

// Lock takes the lock of the file at path, which is made if it is not there, and
// gives what releases it. If another holds it, waiting is called once (nil is
// silence), and Lock waits until ctx ends; what names what is waited for then, as
// for wait.Until.
func Lock(ctx context.Context, path string, what lang.Text, waiting func()) (unlock func(), err error) {
	f, err := open(path)
	if err != nil {
		return nil, lang.Errorf("opening a lock: %w", "잠금 파일 열기: %w", err)
	}
	taken := lang.Textf("%s is locked", "%s이(가) 잠겨 있습니다", path)
	err = wait.Until(ctx, tryEvery, what, func(context.Context) (bool, string, error) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return true, "", nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return false, "", lang.Errorf("locking %s: %w", "%s 잠그기: %w", path, err)
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		return false, taken.String(), nil
	})
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil // closing gives the lock up
}

// open opens the file of a lock, or makes it. Whoever may read a file may lock it, and keep
// all others waiting: one of an older version, which was open to all, is closed to them.
// Where it is another's that is theirs to do. A file with content is more than a lock, and
// stays as it is.
func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if fi, err := f.Stat(); err == nil && fi.Size() == 0 && fi.Mode().Perm()&0o077 != 0 {
		_ = f.Chmod(0o600)
	}
	return f, nil
}
