// Package netns gives a testbed a network namespace of its own, so that its
// bridge and machines touch nothing of the host's network, and finds subnets
// that nobody uses.
//
// A namespace lives as long as its file under /run/netns, as those of
// "ip netns" do. It is entered by running the whole program again inside it.
package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/ambient"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

const (
	dir    = "/run/netns"
	prefix = "nori-"
)

// nameForm is a testbed's name: what can be part of a file's name without surprise.
var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// Path is the file that holds the namespace of a testbed.
func Path(name string) string { return filepath.Join(dir, prefix+name) }

// Exists says whether the testbed has a namespace.
func Exists(name string) bool {
	var st unix.Statfs_t
	return unix.Statfs(Path(name), &st) == nil && st.Type == unix.NSFS_MAGIC
}

// Create makes the namespace if it isn't there, marks it as that of a folder, and
// brings its loopback up. One whose file was lost while processes were in it is
// pinned again. It needs root, and gives the error of Taken where there is one of another.
func Create(name, folder string) error {
	if !nameForm.MatchString(name) {
		return lang.Errorf("%q can't name a network namespace: use a-z, 0-9 and inner dashes, 40 at most",
			"%q은(는) 네트워크 네임스페이스 이름으로 쓸 수 없습니다: a-z, 0-9와 가운데의 붙임표(-)만으로 40자까지 쓰세요", name)
	}
	var err error
	if !Exists(name) {
		err = create(Path(name), folder)
	}
	if err == nil {
		err = claim(name, folder)
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, fs.ErrPermission) {
		return &machine.HostError{
			What: lang.T("a testbed's network namespace needs root",
				"테스트베드의 네트워크 네임스페이스를 만들려면 root 권한이 필요합니다"),
			Remedy: lang.T("run it with sudo", "sudo로 실행하세요"), Err: err,
		}
	}
	if err != nil {
		return lang.Errorf("making network namespace %s: %w", "네트워크 네임스페이스 %s 만들기: %w", name, err)
	}
	return nil
}

// create makes a namespace, or finds the one of the folder in which processes still
// are, and pins it to a file. What an interrupted call left is an empty file, over
// which this one mounts.
func create(path, folder string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := share(dir); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o444)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	pin := func(ns string) error {
		if err := unix.Mount(ns, path, "none", unix.MS_BIND, ""); err != nil {
			return lang.Errorf("mounting %s: %w", "%s 마운트: %w", path, err)
		}
		return nil
	}
	if lost := lostOf(folder); lost != "" {
		return pin(lost)
	}
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		if err := mark(folder); err != nil {
			return err
		}
		return pin(threadNS())
	})
}

// share makes a folder a mount point whose mounts are the same in all mount
// namespaces, as iproute2 does before its first namespace (create_netns_dir and
// netns_add in ip/ipnetns.c). Else the first `ip netns add` of somebody would do so
// over our mounts, and each of them would be there twice, one below the other.
func share(dir string) error {
	err := unix.Mount("", dir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if errors.Is(err, unix.EINVAL) { // no mount point yet
		if err := unix.Mount(dir, dir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return lang.Errorf("making %s a mount point: %w", "%s 폴더를 마운트 지점으로 만들기: %w", dir, err)
		}
		err = unix.Mount("", dir, "none", unix.MS_SHARED|unix.MS_REC, "")
	}
	if err != nil {
		return lang.Errorf("sharing the mounts of %s: %w", "%s의 마운트 공유: %w", dir, err)
	}
	return nil
}

// Delete removes the namespace. Processes inside keep theirs until they end;
// the caller ends them first. One that isn't there is no error.
func Delete(name string) error {
	path := Path(name)
	for Exists(name) {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			return lang.Errorf("unmounting network namespace %s: %w", "네트워크 네임스페이스 %s 마운트 해제: %w", name, err)
		}
	}
	err := os.Remove(path)
	if errors.Is(err, unix.EBUSY) {
		// Somebody mounted over the folder while the namespace was there (see share):
		// below that it is mounted still, where no one gets at it. What is left to be
		// seen is an empty file, over which the next Create mounts.
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return lang.Errorf("removing network namespace %s: %w", "네트워크 네임스페이스 %s 제거: %w", name, err)
	}
	return nil
}

// Do runs f with its thread inside the namespace. What f starts as another
// goroutine is outside of it; child processes are inside.
func Do(name string, f func() error) error {
	ns, err := os.Open(Path(name))
	if err != nil {
		return lang.Errorf("opening network namespace %s: %w", "네트워크 네임스페이스 %s 열기: %w", name, err)
	}
	defer ns.Close()
	return onThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return lang.Errorf("entering network namespace %s: %w", "네트워크 네임스페이스 %s 진입: %w", name, err)
		}
		return f()
	})
}

// onThread runs f on a thread of its own and puts the thread back into the
// namespace it came from; if that fails the thread is thrown away.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		own, err := os.Open(threadNS())
		if err != nil {
			runtime.UnlockOSThread()
			done <- lang.Errorf("opening this process's network namespace: %w", "이 프로세스의 네트워크 네임스페이스 열기: %w", err)
			return
		}
		defer own.Close()
		err = f()
		if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); back != nil {
			// Not unlocked: the thread ends with the goroutine.
			err = errors.Join(err, lang.Errorf("returning to this process's network namespace: %w",
				"이 프로세스의 네트워크 네임스페이스로 돌아가기: %w", back))
		} else {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

func threadNS() string { return fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()) }

// Inside says whether this process is in the testbed's namespace.
func Inside(name string) (bool, error) {
	var own, other unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &own); err != nil {
		return false, lang.Errorf("looking at this process's network namespace: %w", "이 프로세스의 네트워크 네임스페이스 확인: %w", err)
	}
	if err := unix.Stat(Path(name), &other); err != nil {
		return false, lang.Errorf("looking at network namespace %s: %w", "네트워크 네임스페이스 %s 확인: %w", name, err)
	}
	return own.Dev == other.Dev && own.Ino == other.Ino, nil
}

// Processes lists the processes that are in the testbed's namespace.
func Processes(name string) ([]int, error) {
	var ns unix.Stat_t
	if err := unix.Stat(Path(name), &ns); err != nil {
		return nil, lang.Errorf("looking at network namespace %s: %w", "네트워크 네임스페이스 %s 확인: %w", name, err)
	}
	files, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, f := range files {
		var st unix.Stat_t
		if unix.Stat(f, &st) != nil || st.Dev != ns.Dev || st.Ino != ns.Ino {
			continue // another's, or it has ended
		}
		if pid, err := strconv.Atoi(strings.Split(f, "/")[2]); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Current gives the name of the testbed whose namespace this process is in,
// and false if it is in none of a testbed's.
func Current() (string, bool) {
	files, err := filepath.Glob(Path("*"))
	if err != nil {
		return "", false
	}
	for _, f := range files {
		name := strings.TrimPrefix(filepath.Base(f), prefix)
		if in, err := Inside(name); err == nil && in {
			return name, true
		}
	}
	return "", false
}

// Argv is a command line that runs args inside the namespace, for programs of
// others. ("ip netns exec" would hide /sys/fs/cgroup from them.)
func Argv(name string, args ...string) []string {
	return append([]string{"nsenter", "--net=" + Path(name), "--"}, args...)
}

// Enter replaces this process by itself, with the same arguments and
// environment, inside the namespace. It returns only if that failed, or with
// nil if the process is inside already.
func Enter(name string) error {
	in, err := Inside(name)
	if err != nil || in {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return lang.Errorf("entering network namespace %s: %w", "네트워크 네임스페이스 %s 진입: %w", name, err)
	}
	return Do(name, func() error {
		// execve ends all other threads; the new program keeps the
		// namespaces of the one that called it.
		return lang.Errorf("running %s in network namespace %s: %w",
			"네트워크 네임스페이스 %[2]s에서 %[1]s 실행: %[3]w", self, name, syscall.Exec(self, os.Args, ambient.Original()))
	})
}
