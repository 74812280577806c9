package netns

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
)

// ListenOutside listens on the host's network, even by a process that is inside
// the namespace of a testbed, as one started by `nori shell` is.
func ListenOutside(ctx context.Context, network, address string) (net.Listener, error) {
	if _, inside := Current(); !inside {
		return (&net.ListenConfig{}).Listen(ctx, network, address)
	}
	host, err := outside()
	if err != nil {
		return nil, lang.Errorf("opening the host's network namespace: %w", "호스트의 네트워크 네임스페이스 열기: %w", err)
	}
	defer host.Close()
	var l net.Listener
	err = onThread(func() error {
		if err := unix.Setns(int(host.Fd()), unix.CLONE_NEWNET); err != nil {
			return lang.Errorf("entering the host's network namespace: %w", "호스트의 네트워크 네임스페이스 진입: %w", err)
		}
		l, err = (&net.ListenConfig{}).Listen(ctx, network, address)
		return err
	})
	return l, err
}

// outside opens the namespace of the nearest ancestor that is in another one than
// this process: of whoever typed `nori shell`. The first process of all is the
// last of them; not everywhere may root look at that one.
func outside() (*os.File, error) {
	var own unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &own); err != nil {
		return nil, err
	}
	pid := os.Getppid()
	for ; pid > 1; pid = parent(pid) {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err != nil {
			return nil, err
		}
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err == nil && st.Ino != own.Ino {
			return f, nil
		}
		_ = f.Close() // it was only looked at
	}
	return os.Open("/proc/1/ns/net")
}

// parent is a process's parent, or 1 where that can't be read (proc_pid_stat(5)).
func parent(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 1
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 2 {
		return 1
	}
	up, err := strconv.Atoi(fields[1])
	if err != nil {
		return 1
	}
	return up
}
