package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

// processes finds the processes of the testbed's libvirtd: those that see the
// testbed's folder as /run/libvirt. No pid file could be as sure, since none
// is written by what a killed libvirtd leaves behind.
func (d *daemon) processes() ([]int, error) {
	own, err := os.Stat(d.path("run"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, lang.Errorf("looking for the testbed's processes: %w", "테스트베드의 프로세스 찾기: %w", err)
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && pid != os.Getpid() && sees(pid, own) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// pid is libvirtd's process.
func (d *daemon) pid() (int, error) {
	b, err := os.ReadFile(d.path("run", "libvirtd.pid"))
	if err != nil {
		return 0, lang.Errorf("looking for the testbed's libvirtd: %w", "테스트베드의 libvirtd 찾기: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, lang.Errorf("looking for the testbed's libvirtd: %w", "테스트베드의 libvirtd 찾기: %w", err)
	}
	return pid, nil
}

// sees says whether a process sees this folder as /run/libvirt.
func sees(pid int, own os.FileInfo) bool {
	seen, err := os.Stat(fmt.Sprintf("/proc/%d/root/run/libvirt", pid))
	return err == nil && os.SameFile(own, seen)
}

// inAnotherNetwork picks the processes that are in another network namespace than
// this one.
func inAnotherNetwork(pids []int) []int {
	own, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return nil
	}
	var out []int
	for _, pid := range pids {
		ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err == nil && ns != own {
			out = append(out, pid)
		}
	}
	return out
}

// kill ends processes of the testbed: asked first, then forced.
func (d *daemon) kill(ctx context.Context, pids []int) error {
	own, err := os.Stat(d.path("run"))
	if len(pids) == 0 || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return lang.Errorf("ending the testbed's processes: %w", "테스트베드의 프로세스 종료: %w", err)
	}
	return endAll(ctx, pids, func(pid int) bool { return sees(pid, own) })
}

// endAll ends those processes that are what was meant: asked first, then forced.
func endAll(ctx context.Context, pids []int, meant func(pid int) bool) error {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		var left []int
		for _, pid := range pids {
			switch err := signal(pid, sig, meant); {
			case errors.Is(err, unix.ESRCH):
			case err != nil:
				return lang.Errorf("ending process %d: %w", "프로세스 %d 종료: %w", pid, err)
			default:
				left = append(left, pid)
			}
		}
		var err error
		if pids, err = waitGone(ctx, left, daemonStopLimit); err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
	}
	return lang.Errorf("processes %v did not end, even when killed", "프로세스 %v이(가) 강제 종료해도 끝나지 않습니다", pids)
}

// signal sends a signal to the process meant and no other: the pidfd holds on
// to it, and it is looked at again, since its number may be another's by now.
func signal(pid int, sig unix.Signal, meant func(pid int) bool) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if !meant(pid) {
		return unix.ESRCH
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// waitGone waits until the processes have ended and gives those that did not
// within the limit.
func waitGone(ctx context.Context, pids []int, limit time.Duration) ([]int, error) {
	var left []int
	what := lang.Text{EN: "the testbed's processes to end", KO: "테스트베드의 프로세스가 끝나기"}
	_, err := wait.Within(ctx, limit, 10*time.Millisecond, what, func(context.Context) (bool, string, error) {
		left = slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return !running(pid) })
		return len(left) == 0, lang.Textf("processes %v", "프로세스 %v", left).String(), nil
	})
	return left, err
}

// running says whether a process still has its resources; a zombie has none.
func running(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	s := string(b)
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == ')' { // the name before it may hold anything
			return i+2 >= len(s) || (s[i+2] != 'Z' && s[i+2] != 'X')
		}
	}
	return true
}
