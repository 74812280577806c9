package learner

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
)

// Do runs f with this person's rights on files, and gives its error: what they can't
// read is not read, what is made is theirs, and a link that they have laid leads root
// nowhere. f must not start goroutines or programs.
func (u *User) Do(f func() error) error {
	if u.Self() {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread, which is not root's any more, ends with the goroutine.
		runtime.LockOSThread()
		if err := u.becomeOnThread(); err != nil {
			done <- lang.Errorf("reaching the files of %s: %w", "%s의 파일에 접근하기: %w", u.Name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// becomeOnThread changes this thread's rights on files (credentials(7)). The kernel
// takes root's power over files away when the file system's user is no longer root
// (capabilities(7)). The wrappers of package unix would change all threads.
func (u *User) becomeOnThread() error {
	var first unsafe.Pointer
	if len(u.Groups) > 0 {
		first = unsafe.Pointer(&u.Groups[0])
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(u.Groups)), uintptr(first), 0); e != 0 {
		return e
	}
	if err := unix.Setfsgid(u.GID); err != nil {
		return err
	}
	if err := unix.Setfsuid(u.UID); err != nil {
		return err
	}
	// These two tell of no failure: asking with a number that is none gives what is.
	gid, err := unix.SetfsgidRetGid(-1)
	if err != nil {
		return err
	}
	uid, err := unix.SetfsuidRetUid(-1)
	if err != nil {
		return err
	}
	if gid != u.GID || uid != u.UID {
		return unix.EPERM
	}
	return nil
}
