package nspawn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/shell"
)

const (
	// startTimeout is how long the machine's init may take to come up.
	startTimeout = 15 * time.Second
	// killTimeout is how long killed processes may take to be gone.
	killTimeout = 10 * time.Second
)

// A machine's cgroup has two below it: v2 allows no process beside them, and
// systemd-nspawn divides the one that it finds itself in.
const (
	keeperGroup  = "keeper"
	payloadGroup = "machine"
)

// running says whether any process of the machine lives.
func (m *node) running() (bool, error) {
	g, err := m.group()
	if err != nil {
		return false, err
	}
	pids, err := g.pids()
	return len(pids) > 0, err
}

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
	n, err := m.read()
	if err != nil {
		return err
	}
	if err := g.create(); err != nil {
		return err
	}
	if err := g.limitMemory(n.Spec.MemoryMiB); err != nil {
		return err
	}
	for _, name := range []string{keeperGroup, payloadGroup} {
		if err := g.child(name).create(); err != nil {
			return err
		}
	}
	if err := m.mountRoot(n.Layers); err != nil {
		return err
	}
	return m.launch(ctx, g)
}

// launch starts the supervisor and waits for the machine's init.
func (m *node) launch(ctx context.Context, g group) error {
	if err := os.WriteFile(m.script(), []byte(m.supervisor(g)), 0o700); err != nil {
		return fmt.Errorf("writing the supervisor: %w", err)
	}
	if err := os.Remove(m.exitFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting the last exit: %w", err)
	}
	console, err := os.Create(m.console())
	if err != nil {
		return fmt.Errorf("opening the console's file: %w", err)
	}
	defer console.Close()
	cmd := exec.Command("/bin/sh", m.script()) // not CommandContext: it outlives us
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the supervisor: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // only to leave no zombie; the exit file tells how it ended
		close(ended)
	}()
	return m.awaitInit(ctx, g, ended)
}

func (m *node) awaitInit(ctx context.Context, g group, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		pids, err := g.pids()
		if err != nil {
			return err
		}
		if hasInit(pids) {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("systemd-nspawn ended at once (%s); the console says:\n%s", m.exitDetail(), m.consoleTail())
		case <-ctx.Done():
			return fmt.Errorf("waiting for its init to run: %w; the console says:\n%s", ctx.Err(), m.consoleTail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// hasInit says whether one of the processes is the first of a PID namespace,
// which lives as long as the machine's init does.
func hasInit(pids []int) bool {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue // it ended
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 2 && f[0] == "NSpid:" && f[len(f)-1] == "1" {
				return true
			}
		}
	}
	return false
}

// supervisor is the script that runs the machine. A lock keeps a second one
// from starting beside it.
func (m *node) supervisor(g group) string {
	var enter, leave, clean strings.Builder
	sup, own := g.child(keeperGroup), g.child(payloadGroup)
	for _, h := range g.trees {
		keepTop, remake := "-mindepth 1 ", ""
		if h.v2 {
			// A group that was divided takes no process any more.
			keepTop, remake = "", "; mkdir "+shell.Quote(own.dir(h))
		}
		fmt.Fprintf(&enter, "echo $$ > %s\n", shell.Quote(filepath.Join(sup.dir(h), "cgroup.procs")))
		fmt.Fprintf(&leave, "\t\techo 0 > %s\n", shell.Quote(filepath.Join(own.dir(h), "cgroup.procs")))
		fmt.Fprintf(&clean, "\tfind %s %s-depth -type d -exec rmdir {} + 2>/dev/null%s\n", shell.Quote(own.dir(h)), keepTop, remake)
	}
	return `# Keeps machine ` + m.name + ` running. Written by nori at each start.
exec 9> ` + shell.Quote(filepath.Join(m.dir, "lock")) + ` < /dev/null
flock -n 9 || exit 75
trap '' HUP INT
` + enter.String() + `while :; do
	(
` + leave.String() + `		exec systemd-nspawn ` + shell.Join(m.nspawnArgs()...) + `
	) 9>&-
	code=$?
	# What the machine's own cgroups left would greet its next boot.
` + clean.String() + `	# 133: the machine rebooted itself.
	[ $code = 133 ] || break
done
echo $code > ` + shell.Quote(m.exitFile()) + `
`
}

// nspawnArgs is the machine's command line. What each is for:
// systemd-nspawn(1); a node needs all privileges, as the kubelet does.
func (m *node) nspawnArgs() []string {
	return []string{
		"--quiet", "--register=no", "--keep-unit", "--boot",
		"--directory=" + m.root(), "--machine=" + m.unit(), "--hostname=" + m.name,
		"--network-bridge=" + m.p.bridge(),
		"--bind=" + strings.ReplaceAll(m.containerd(), ":", `\:`) + ":/var/lib/containerd",
		"--capability=all", "--system-call-filter=add_key keyctl bpf",
		"--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only",
		// systemd 256 and later refuse cgroup v1 unless told.
		"--setenv=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
	}
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
	if err := g.remove(); err != nil {
		return err
	}
	if err := m.removeCard(); err != nil {
		return err
	}
	if lock := m.lockFile(); lock != "" {
		if err := os.Remove(lock); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing what systemd-nspawn left: %w", err)
		}
	}
	if err := m.unmountRoot(); err != nil {
		return err
	}
	return m.removeRuntime()
}

// kill ends all processes of the cgroup and waits until they are gone.
func (g group) kill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	for {
		pids, err := g.pids()
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("killing process %d: %w", pid, err)
			}
		}
		if err := g.thaw(); err != nil { // v1 keeps even killed processes frozen
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for killed processes %v to end: %w", pids, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// remove removes the machine with its files.
func (m *node) remove(ctx context.Context) error {
	if err := m.stop(ctx); err != nil {
		return err
	}
	return removeTree(m.dir)
}

// exitDetail says how the machine ended, as far as is known.
func (m *node) exitDetail() string {
	b, err := os.ReadFile(m.exitFile())
	if err != nil {
		return "switched off"
	}
	if code := strings.TrimSpace(string(b)); code != "0" {
		return "systemd-nspawn ended with exit status " + code
	}
	return "powered off by itself"
}

// consoleTail is the end of what the machine printed while booting.
func (m *node) consoleTail() string {
	b, err := os.ReadFile(m.console())
	if err != nil {
		return err.Error()
	}
	if len(b) > 2000 {
		b = b[len(b)-2000:]
	}
	return strings.ToValidUTF8(string(b), "?")
}
