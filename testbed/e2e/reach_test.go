package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// problem is what `nori status -o json` says of one thing that is wrong.
type problem struct{ Fact, Machine, Text, Command string }

// problems are all that are wrong.
func (b *bed) problems() (ready bool, found []problem) {
	b.t.Helper()
	ctx, cancel := contextFor(time.Minute)
	defer cancel()
	out, err := b.command(ctx, "status", "-o", "json").Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	var s struct {
		Ready    bool
		Problems []problem
	}
	if err := json.Unmarshal(out, &s); err != nil {
		b.t.Fatalf("%v in %q", err, out)
	}
	if s.Ready != (len(s.Problems) == 0) || s.Ready != (err == nil) {
		b.t.Errorf("ready %v, exit %v, with %+v", s.Ready, err, s.Problems)
	}
	return s.Ready, s.Problems
}

// says is a problem of node1 that the status must name, with what mends it.
func (b *bed) says(fact, text, command string) {
	b.t.Helper()
	_, found := b.problems()
	if !slices.ContainsFunc(found, func(p problem) bool {
		return p.Fact == fact && p.Machine == "node1" && strings.Contains(p.Text, text) && p.Command == command
	}) {
		b.t.Errorf("status does not say %q of node1, mended by %q: %+v", text, command, found)
	}
}

// fails wants a command to end by itself with words. The limit only ends what hangs.
func (b *bed) fails(words string, args ...string) {
	b.t.Helper()
	begin := time.Now()
	out, err := b.try(3*time.Minute, args...)
	b.t.Logf("nori %s: %.1f s", strings.Join(args, " "), time.Since(begin).Seconds())
	if exitCode(err) != 1 || !strings.Contains(out, words) {
		b.t.Errorf("nori %s: %v, want %q in:\n%s", strings.Join(args, " "), err, words, out)
	}
}

// initsOf are the host's processes that are the init of a machine of the bed. (To kill
// what started it would leave it running.)
func (b *bed) initsOf(machine string) (pids []int) {
	for _, p := range glob("/proc/[0-9]*/cmdline") {
		line, err := os.ReadFile(p)
		if err != nil || !strings.HasPrefix(string(line), "systemd-nspawn\x00") {
			continue
		}
		if args := strings.Split(string(line), "\x00"); !slices.Contains(args, "--hostname="+machine) || !strings.Contains(string(line), b.home) {
			continue
		}
		dir := filepath.Dir(p)
		children, _ := os.ReadFile(filepath.Join(dir, "task", filepath.Base(dir), "children")) // none of one that ended
		for _, child := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(child); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// cut kills a machine's init, and returns when the machine is off.
func (b *bed) cut(machine string) {
	b.t.Helper()
	pids := b.initsOf(machine)
	if len(pids) == 0 {
		b.t.Fatalf("no process is the init of %s", machine)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			b.t.Fatal(err)
		}
	}
	b.eventually(30*time.Second, machine+" is off", func() error {
		s, err := b.status()
		if err != nil {
			return err
		}
		for _, m := range s.Machines {
			if m.Name == machine && m.State == "stopped" {
				return nil
			}
		}
		return errors.New("it is not")
	})
}

// TestMachinesThatAreNotReached: what keeps us out of a machine is said, with what mends
// it, and nobody waits for what can't come.
func TestMachinesThatAreNotReached(t *testing.T) {
	b := newBed(t, "e2ereach", "--driver", "nspawn", "--nodes", "1")
	b.up()
	const nori = "nori " // it is the only one of its home
	for _, c := range []struct{ name, spoil, fact, text string }{
		{"its SSH server is stopped", "systemctl stop ssh.socket ssh", "ssh-closed", "its SSH server does not run"},
		{"our key is gone", "rm /root/.ssh/authorized_keys", "key-refused", "refuses the testbed's key: its authorized_keys was changed"},
		{"its host key is another", "rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh", "host-key-changed", "its host key was changed"},
	} {
		if !t.Run(c.name, func(t *testing.T) {
			b := *b
			b.t = t
			if out, err := b.try(time.Minute, "ssh", "node1", "--", c.spoil); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			b.says(c.fact, c.text, nori+"reset")
			b.fails(c.text+"; `"+nori+"reset` puts it back", "--plain", "up", "--isolated")
			b.nori("reset")
			b.ready(30 * time.Second)
		}) {
			return
		}
	}
	t.Run("its process was killed", func(t *testing.T) {
		b := *b
		b.t = t
		b.cut("node1")
		b.says("machine-off", "node1 is off", nori+"up")
		b.fails("node1 is off", "ssh", "node1", "true")
		b.cut("control")
		b.fails("control is off", "kubectl", "get", "nodes")
		b.fails("`"+nori+"up` switches it on", "lab", "start", "pods")
		b.up()
		b.ready(60 * time.Second)
	})
	t.Run("it stands still", func(t *testing.T) {
		b := *b
		b.t = t
		b.freeze("node1")
		b.says("machine-paused", "node1 stands still", nori+"up")
		b.up()
		b.ready(60 * time.Second)
	})
	t.Run("it is cordoned", func(t *testing.T) {
		b := *b
		b.t = t
		b.kubectl("cordon", "node1")
		b.says("node-cordoned", "node1 is cordoned", nori+"kubectl uncordon node1")
		if out, _ := b.try(time.Minute, "status"); !strings.Contains(out, "Ready, cordoned") {
			t.Errorf("status: %s", out)
		}
		b.kubectl("uncordon", "node1")
		b.ready(10 * time.Second)
	})
}

// freeze stops all of a machine where it is, as a snapshot that was interrupted leaves it.
func (b *bed) freeze(machine string) {
	b.t.Helper()
	for _, name := range []string{"freezer/noriter/" + b.name + "-*/" + machine + "/freezer.state", "noriter/" + b.name + "-*/" + machine + "/cgroup.freeze"} {
		files := glob("/sys/fs/cgroup/"+name, "/sys/fs/cgroup/*/"+name)
		if len(files) == 0 {
			continue
		}
		value := "FROZEN"
		if strings.HasSuffix(files[0], "cgroup.freeze") {
			value = "1"
		}
		if err := os.WriteFile(files[0], []byte(value), 0); err != nil {
			b.t.Fatal(err)
		}
		b.t.Logf("froze %s", files[0])
		return
	}
	b.t.Fatalf("no freezer of %s", machine)
}
