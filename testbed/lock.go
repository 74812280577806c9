package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

// lock keeps two commands from changing one testbed at a time. The lock is the
// kernel's, so a killed process can't leave it behind; the file's content is
// only for the message that tells who holds it. It lies beside the testbed's
// folder, which `nori down` removes.
func (h Home) lock(ctx context.Context, name, doing string, waiting func(holder string)) (*lock, error) {
	if err := h.Settle(); err != nil {
		return nil, lang.Errorf("locking testbed %q: %w", "테스트베드 %q 잠그기: %w", name, err)
	}
	path, told := h.lockFile(name), false
	var held *lock
	what := lang.Textf("testbed %q, at which another command is at work", "다른 명령이 작업 중인 테스트베드 %q", name)
	err := wait.Until(ctx, 100*time.Millisecond, what, func(context.Context) (bool, string, error) {
		f, err := tryLock(path)
		if err == nil && f != nil {
			held, err = hold(f, path, doing)
		}
		if err != nil {
			return false, "", lang.Errorf("locking testbed %q: %w", "테스트베드 %q 잠그기: %w", name, err)
		}
		if held == nil && !told {
			waiting(holder(path))
			told = true
		}
		return held != nil, holder(path), nil
	})
	return held, err
}

func (h Home) lockFile(name string) string { return filepath.Join(h.locks(), name) }

// faultLock is added to the name of the testbed for LockFaults.
const faultLock = ".fault"

// abandoned says that a lock's file is there and nobody has the lock.
func abandoned(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil
}

// hold writes down who has the lock.
func hold(f *os.File, path, doing string) (*lock, error) {
	who := fmt.Sprintf("nori %s, process %d", doing, os.Getpid())
	if err := os.WriteFile(path, []byte(who), 0o600); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &lock{path: path, file: f}, nil
}

// lock is a lock that is held.
type lock struct {
	path string
	file *os.File
}

func (l *lock) release() {
	_ = l.file.Truncate(0) // who waits for the next holder must not be told of this one
	l.file.Close()
}

// remove takes the lock's file away, too, before it lets go. Doing so again does
// nothing: the file may be another's by then.
func (l *lock) remove() {
	if l.path != "" {
		os.Remove(l.path)
	}
	l.path = ""
	l.file.Close()
}

// tryLock gives nil if somebody else holds the lock.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return nil, f.Close()
	}
	if err == nil && !stillThere(f, path) {
		// Who held it before has removed the file; the lock is on its successor.
		return nil, f.Close()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func stillThere(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// holder reads who has the lock.
func holder(path string) string {
	b, err := os.ReadFile(path)
	if err != nil || len(b) == 0 {
		return lang.T("another process", "다른 프로세스")
	}
	return strings.TrimSpace(string(b))
}
