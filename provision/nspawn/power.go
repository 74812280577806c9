package nspawn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

// startTimeout is how long the machine's init may take to come up.
const startTimeout = 15 * time.Second

// A machine's cgroup has two below it: v2 allows no process beside them, and
// systemd-nspawn divides the one that it finds itself in.
const (
	keeperGroup  = "keeper"
	payloadGroup = "machine"
)

// start switches the machine on if it is off, and returns when its init runs.
func (m *node) start(ctx context.Context) error {
	g, err := m.group()
	if err != nil {
		return err
	}
	pids, err := g.pids()
	if err != nil {
		return err
	}
	if hasInit(pids) {
		return g.thaw() // an interrupted snapshot leaves it frozen
	}
	// Whatever the last run left: half a machine, mounts of systemd-nspawn,
	// a card, cgroups that were divided.
	if err := m.stop(ctx); err != nil {
		return err
	}
	n, err := m.readRecord()
	if err != nil {
		return err
	}
	if err := m.ensureDisk(ctx); err != nil {
		return err
	}
	if err := g.create(); err != nil {
		return err
	}
	if err := g.share(); err != nil {
		return err
	}
	if err := g.limit(n.Spec.MemoryMiB, n.CPUs); err != nil {
		return err
	}
	for _, name := range []string{keeperGroup, payloadGroup} {
		if err := g.child(name).create(); err != nil {
			return err
		}
	}
	if err := g.child(payloadGroup).give(n.Users); err != nil {
		return err
	}
	if err := m.mountRoot(n); err != nil {
		return err
	}
	return m.launch(ctx, g, n)
}

// launch starts the supervisor and waits for the machine's init.
func (m *node) launch(ctx context.Context, g group, n record) error {
	if err := os.WriteFile(m.script(), []byte(m.supervisor(g, n)), 0o700); err != nil {
		return lang.Errorf("writing the supervisor: %w", "감독 스크립트 쓰기: %w", err)
	}
	if err := os.Remove(m.exitFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return lang.Errorf("forgetting the last exit: %w", "지난 종료 기록 지우기: %w", err)
	}
	if err := m.noteLock(); err != nil {
		return err
	}
	console, err := os.Create(m.console())
	if err != nil {
		return lang.Errorf("opening the console's file: %w", "콘솔 파일 열기: %w", err)
	}
	defer console.Close()
	cmd := exec.Command("/bin/sh", m.script()) // not CommandContext: it outlives us
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// In the testbed's namespace, where the bridge is.
	if err := m.p.inside(cmd.Start); err != nil {
		return lang.Errorf("starting the supervisor: %w", "감독 스크립트 시작: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // only to leave no zombie; the exit file tells how it ended
		close(ended)
	}()
	return m.awaitInit(ctx, g, ended)
}

// awaitInit waits for the machine's init, or for the end of its supervisor.
func (m *node) awaitInit(ctx context.Context, g group, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	what := lang.Text{EN: "its init to run", KO: "init의 시작"}
	err := wait.Until(ctx, 10*time.Millisecond, what, func(context.Context) (bool, string, error) {
		pids, err := g.pids()
		if err != nil || hasInit(pids) {
			return err == nil, "", err
		}
		select {
		case <-ended:
			return false, "", lang.Errorf("systemd-nspawn ended at once (%s)", "systemd-nspawn이 바로 끝났습니다(%s)", m.exitDetail())
		default:
			return false, "", nil
		}
	})
	if err != nil {
		return lang.Errorf("%w; the console says:\n%s", "%w; 콘솔 출력:\n%s", err, m.consoleTail())
	}
	return nil
}

// init is the first process of the machine, and 0 if it is off.
func (m *node) init() (int, error) {
	g, err := m.group()
	if err != nil {
		return 0, err
	}
	pids, err := g.pids()
	return firstOf(pids), err
}

func hasInit(pids []int) bool { return firstOf(pids) != 0 }

// firstOf is the one of the processes that is the first of a PID namespace, which
// lives as long as the machine's init does; 0 is none.
func firstOf(pids []int) int {
	first, depth := 0, 0
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue // it ended
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line) // "NSpid:", and its number in each namespace down to its own
			if len(f) < 3 || f[0] != "NSpid:" || f[len(f)-1] != "1" {
				continue
			}
			// A pod's first process lies deeper than the machine's.
			if first == 0 || len(f) < depth {
				first, depth = pid, len(f)
			}
		}
	}
	return first
}

// stop kills everything of the machine and takes its root away.
func (m *node) stop(ctx context.Context) error {
	g, err := m.group()
	if err != nil {
		return err
	}
	if err := g.kill(ctx); err != nil {
		return err
	}
	if err := g.remove(ctx); err != nil {
		return err
	}
	if err := m.removeCard(); err != nil {
		return err
	}
	if err := m.removeLocks(); err != nil {
		return err
	}
	if err := m.unmountRoot(ctx); err != nil {
		return err
	}
	return m.removeRuntime()
}

// remove removes the machine with its files.
func (m *node) remove(ctx context.Context) error {
	if err := m.stop(ctx); err != nil {
		return err
	}
	return removeTree(m.dir)
}
