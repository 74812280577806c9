package filelock

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

// Share holds the lock of the file at path together with all others who share it, and
// gives what releases it; it never waits. Who has it alone is about to remove what the
// lock stands for: then taken is false. Where the file can't be made, as in a folder of
// another user's, whoever could take it alone is that user: there is nothing to hold.
func Share(path string) (release func(), taken bool, err error) {
	f, taken, err := share(path)
	return func() { _ = f.Close() }, taken, err // closing gives the lock up; that of nil does nothing
}

func share(path string) (f *os.File, taken bool, err error) {
	f, err = open(path)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, lang.Errorf("opening a lock: %w", "잠금 파일 열기: %w", err)
	}
	taken, err = try(f, unix.LOCK_SH)
	if !taken {
		f = nil
	}
	return f, taken, err
}

// kept are the locks that this process holds to its end.
var kept struct {
	sync.Mutex
	files map[string]*os.File
}

// patience is how long Keep waits for one who has the lock alone: who asks whether
// anybody shares it has it for a moment, who removes what it stands for a little longer.
const patience = 10 * time.Second

// Keep is Share until this process ends, however that comes. Asked again it holds the
// same lock, or that of a new file where the old one is gone. It says false where
// there is nothing to hold: the folder is gone, or going.
func Keep(path string) (bool, error) {
	kept.Lock()
	defer kept.Unlock()
	if f := kept.files[path]; f != nil {
		if isAt(f, path) {
			return true, nil
		}
		delete(kept.files, path)
		_ = f.Close()
	}
	var f *os.File
	what := lang.Textf("the lock %s", "잠금 %s", path)
	taken, err := wait.Within(context.Background(), patience, tryEvery, what, func(context.Context) (taken bool, _ string, err error) {
		f, taken, err = share(path)
		return taken, "", err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || !taken || f == nil {
		return taken, err
	}
	if !isAt(f, path) { // it was removed while we waited
		return false, f.Close()
	}
	if kept.files == nil {
		kept.files = map[string]*os.File{}
	}
	kept.files[path] = f
	return true, nil
}

func isAt(f *os.File, path string) bool {
	a, errA := f.Stat()
	b, errB := os.Stat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// Try takes the lock of the file at path alone, if nobody else has it or shares it; it
// never waits.
func Try(path string) (release func(), taken bool, err error) {
	f, err := open(path)
	if err != nil {
		return nil, false, lang.Errorf("opening a lock: %w", "잠금 파일 열기: %w", err)
	}
	taken, err = try(f, unix.LOCK_EX)
	return func() { _ = f.Close() }, taken, err
}

// try closes a file whose lock it does not get.
func try(f *os.File, how int) (taken bool, err error) {
	for {
		err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		return false, f.Close()
	}
	return false, errors.Join(lang.Errorf("locking %s: %w", "%s 잠그기: %w", f.Name(), err), f.Close())
}
