package nspawn

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"noriter.dev/noriter/internal/mountinfo"
	"noriter.dev/noriter/provision/machine"
)

func TestBoot(t *testing.T) {
	b := newBed(t, "control", "node1", "node2")
	ctx := t.Context()
	start := time.Now()
	b.up(ctx, "control")
	c := b.dial(ctx, "control")
	t.Logf("one machine answers after %s", time.Since(start))
	start = time.Now()
	b.up(ctx, "control", "node1", "node2") // the first is there already
	for _, n := range []string{"node1", "node2"} {
		b.dial(ctx, n)
	}
	t.Logf("two more answer after %s", time.Since(start))

	if got := b.run(ctx, c, "hostname; cat /etc/hostname"); got != "control\ncontrol\n" {
		t.Errorf("host name %q", got)
	}
	b.run(ctx, c, "systemctl is-system-running --wait")
	b.run(ctx, c, "ping -c1 -W2 10.77.0.11 && ! ping -c1 -W1 10.77.0.1")
	b.run(ctx, c, "systemctl start containerd")
	// What a node needs and a container lacks.
	b.run(ctx, c, "echo 1 > /proc/sys/net/ipv4/ip_forward && test -e /dev/kmsg")
	b.run(ctx, c, "nft add table inet t && nft delete table inet t")
	b.run(ctx, c, "cd /var/lib/containerd && mkdir -p t/l t/u t/w t/m && mount -t overlay x -o lowerdir=t/l,upperdir=t/u,workdir=t/w t/m && umount t/m && rm -r t")
	b.run(ctx, c, "ctr version && ctr containers ls")
	// Each machine has cgroups of its own, and may divide them.
	b.run(ctx, c, `set -e
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	for c in memory cpu pids cpuset; do grep -qw $c /sys/fs/cgroup/cgroup.controllers; done
	mkdir /sys/fs/cgroup/t; rmdir /sys/fs/cgroup/t; exit
fi
for c in memory cpu pids cpuset; do mkdir /sys/fs/cgroup/$c/t-$c; rmdir /sys/fs/cgroup/$c/t-$c; done
test $(cat /sys/fs/cgroup/memory/memory.limit_in_bytes) -gt 0`)
	testLimits(t, b.machine("control"), 1)
	testLimits(t, b.machine("node1"), 0)
	infos, err := b.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, i := range infos {
		states = append(states, i.Name+" "+string(i.State)+" "+i.Address.String())
	}
	if got := strings.Join(states, ", "); got != "control running 10.77.0.10, node1 running 10.77.0.11, node2 running 10.77.0.12" {
		t.Errorf("List: %s", got)
	}
	if err := b.RemoveMachine(ctx, "node2"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(b.machine("node2").dir); err == nil {
		t.Error("a removed machine's folder is there")
	}
}

// testLimits looks for the limits of a machine, and that they hold for all of it.
func testLimits(t *testing.T, m *node, cpus int) {
	t.Helper()
	quota1, quota2 := "-1", "max 100000"
	if cpus > 0 {
		quota1 = strconv.Itoa(cpus * quotaPeriod)
		quota2 = quota1 + " 100000"
	}
	g, err := m.group()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, h := range g.trees {
		for file, want := range map[string]string{
			"pids.max": "16384", "memory.max": "1073741824", "memory.limit_in_bytes": "1073741824",
			"cpu.max": quota2, "cpu.cfs_quota_us": quota1,
		} {
			if got, err := os.ReadFile(filepath.Join(g.dir(h), file)); err == nil {
				found[file[:4]] = true
				if strings.TrimSpace(string(got)) != want {
					t.Errorf("%s is %swant %s", file, got, want)
				}
			}
		}
	}
	pids, err := g.child(payloadGroup).pids()
	if err != nil || !hasInit(pids) || len(found) != 3 {
		t.Errorf("limits of %v hold for %v, %v; want those of memory, processors and processes for all of the machine", found, pids, err)
	}
}

func TestRebootAndPower(t *testing.T) {
	b := newBed(t, "node1")
	ctx := t.Context()
	b.up(ctx, "node1")
	c := b.dial(ctx, "node1")
	boot := b.run(ctx, c, "echo kept > /root/kept; cat /proc/sys/kernel/random/boot_id")
	_, err := c.Run(ctx, machine.Command{Line: "systemctl reboot"})
	var exit *machine.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	start := time.Now()
	deadline := time.Now().Add(time.Minute)
	for {
		res, err := c.Run(ctx, machine.Command{Line: "cat /root/kept /proc/sys/kernel/random/boot_id"})
		if err == nil && string(res.Stdout) != "kept\n"+boot {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not back after its reboot: %q %v", res.Stdout, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("back %s after systemctl reboot", time.Since(start))
	b.run(ctx, c, "echo 1 > /proc/sys/net/ipv4/ip_forward && systemctl start containerd && systemctl is-active noriter-container")

	if _, err := c.Run(ctx, machine.Command{Line: "systemctl poweroff"}); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	b.await(ctx, "node1", machine.Stopped)
	b.up(ctx, "node1")
	c = b.dial(ctx, "node1")
	b.run(ctx, c, "grep kept /root/kept; nohup sleep 1000 > /dev/null 2>&1 &")
	start = time.Now()
	for range 2 {
		if err := b.Stop(ctx, "node1"); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("stopped within %s", time.Since(start))
	b.await(ctx, "node1", machine.Stopped)
	if left, _ := mountinfo.Under(b.machine("node1").dir); len(left) > 0 {
		t.Errorf("mounts of a stopped machine: %v", left)
	}
	b.up(ctx, "node1")
	b.run(ctx, b.dial(ctx, "node1"), "grep kept /root/kept")
}

func (b *bed) await(ctx context.Context, name string, want machine.State) {
	b.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		infos, err := b.List(ctx)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, i := range infos {
			if i.Name == name && i.State == want {
				return
			}
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s is not %s: %+v", name, want, infos)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestInterrupted makes what a killed nori may leave, and calls again.
func TestInterrupted(t *testing.T) {
	b := newBed(t, "node1")
	ctx := t.Context()
	// Killed while the machine's folder was made.
	m := b.machine("node1")
	if err := os.MkdirAll(filepath.Join(m.upper(), "half"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.up(ctx, "node1")
	b.dial(ctx, "node1")
	if _, err := os.Stat(filepath.Join(m.upper(), "half")); err == nil {
		t.Error("a half-made folder was used")
	}
	// Killed while a snapshot held the machine.
	g, err := m.group()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.freeze(ctx); err != nil {
		t.Fatal(err)
	}
	b.up(ctx, "node1")
	b.dial(ctx, "node1")
	// Killed while stopping: the supervisor and init are gone, cgroups and mounts are not.
	if err := g.kill(ctx); err != nil {
		t.Fatal(err)
	}
	b.up(ctx, "node1")
	b.run(ctx, b.dial(ctx, "node1"), "true")
}
