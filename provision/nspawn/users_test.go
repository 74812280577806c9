package nspawn

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"noriter.dev/noriter/provision/machine"
)

// waysOut are what root on a node could do to the host, and must not. Each prints OUT if
// it was done.
var waysOut = map[string]string{
	"the clock":                   `date -s "$(date -d '+1 hour')" 2>/dev/null && echo OUT`,
	"core_pattern":                `echo '|/bin/false' > /proc/sys/kernel/core_pattern && echo OUT`,
	"core_pattern by a new /proc": `mkdir -p /tmp/p; mount -t proc proc /tmp/p && echo '|/bin/false' > /tmp/p/sys/kernel/core_pattern && echo OUT`,
	"sysrq":                       `echo h > /proc/sysrq-trigger && echo OUT`,
	"memory's values":             `echo 1 > /proc/sys/vm/drop_caches && echo OUT; sysctl -qw vm.swappiness=60 && echo OUT`,
	"the host's disk": `for d in $(cut -d' ' -f1 < /dev/null; awk '$4 !~ /^(ram|loop)/ && NR>2 {print $1":"$2}' /proc/partitions); do
		rm -f /tmp/disk; mknod /tmp/disk b ${d%:*} ${d#*:} && head -c1 /tmp/disk && echo OUT; done`,
	"kernel memory": `for f in /dev/mem /dev/kmem /dev/port /proc/kcore; do head -c1 $f && echo OUT; done; rm -f /tmp/m; mknod /tmp/m c 1 1 && head -c1 /tmp/m && echo OUT`,
	"loop devices":  `rm -f /tmp/l; mknod /tmp/l c 10 237 && head -c0 /tmp/l && losetup -f && echo OUT; test -e /dev/loop-control && echo OUT`,
	"release_agent": `for c in /sys/fs/cgroup/*; do test -e $c/release_agent && echo /bin/false > $c/release_agent && echo OUT; done;
		mkdir -p /tmp/cg && mount -t cgroup -o memory cgroup /tmp/cg && echo /bin/false > /tmp/cg/release_agent && echo OUT`,
	"limits of its own": `for f in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; do test -e $f && echo 100000000000 > $f && echo OUT; done`,
	"modules":           `modprobe dummy && echo OUT; echo > /tmp/x.ko; insmod /tmp/x.ko 2>&1 | grep -qi 'exec format' && echo OUT`,
	"bpf":               `command -v bpftool > /dev/null && bpftool prog list | grep -q . && echo OUT`,
	"the kernel's log":  `dmesg 2>/dev/null | grep -q . && echo OUT`,
	"the host's name":   `cat /proc/1/root/proc/1/environ > /dev/null; nsenter -t 1 -m -u -n hostname | grep -v "$(hostname)" && echo OUT`,
	"priorities":        `echo -1000 > /proc/self/oom_score_adj && echo OUT`,
	"quota of the disk": `mount -o remount,rw / 2>/dev/null; quotaon -a 2>/dev/null && echo OUT`,
	"sys":               `echo 0 > /sys/kernel/profiling && echo OUT; find /sys/kernel/debug /sys/kernel/tracing -mindepth 1 2>/dev/null | grep -q . && echo OUT; mount -t debugfs none /mnt && echo OUT; mount -t tracefs none /mnt && echo OUT`,
}

// TestWaysOut tries them all as root of a machine, which has users of its own.
func TestWaysOut(t *testing.T) {
	b := newBed(t, "node1")
	ctx := t.Context()
	b.up(ctx, "node1")
	if !b.canShift() {
		t.Skip("this kernel can't give a machine users of its own")
	}
	c := b.dial(ctx, "node1")
	for name, line := range waysOut {
		res, err := c.Run(ctx, machine.Command{Line: "exec 2>&1; " + line + "\ntrue"})
		if err != nil || strings.Contains(string(res.Stdout), "OUT") {
			t.Errorf("%s: %v\n%s", name, err, res.Stdout)
		}
	}
	// What it writes is nobody's on the host, and its programs are an ordinary user's.
	b.run(ctx, c, "echo > /root/mine; nohup sleep 1234 > /dev/null 2>&1 &")
	rec, err := b.machine("node1").readRecord()
	if err != nil {
		t.Fatal(err)
	}
	var owner uint32
	if st, err := stat(filepath.Join(b.machine("node1").upper(), "root/mine")); err != nil {
		t.Error(err)
	} else {
		owner = st.Uid
	}
	if rec.Users < firstUserID || int(owner) != rec.Users {
		t.Errorf("root's file belongs to %d on the host, the machine's users begin with %d", owner, rec.Users)
	}
}

// TestMachineOfAnOlderVersion has one without users of its own: it runs on as it is.
func TestMachineOfAnOlderVersion(t *testing.T) {
	b := newBed(t, "node1")
	b.shifts.Do(func() {}) // as on a kernel that can't
	ctx := t.Context()
	b.up(ctx, "node1")
	if got := b.run(ctx, b.dial(ctx, "node1"), "cat /proc/self/uid_map"); !strings.Contains(got, "4294967295") {
		t.Errorf("users %q", got)
	}
	if err := b.Stop(ctx, "node1"); err != nil {
		t.Fatal(err)
	}
	newer := New(b.tb, b.image, b.opts)
	if !newer.canShift() {
		t.Skip("this kernel can't give a machine users of its own")
	}
	if err := newer.Ensure(ctx, b.spec("node1")); err != nil {
		t.Fatal(err)
	}
	c := b.dial(ctx, "node1")
	b.run(ctx, c, "test $(stat -c %u /root) = 0 && test $(stat -c %u /root/.ssh/authorized_keys) = 0")
	res, err := c.Run(ctx, machine.Command{Line: `date -s "$(date)" || echo refused; echo x > /proc/sys/kernel/core_pattern || echo refused`})
	if err != nil || strings.Count(string(res.Stdout), "refused") != 2 {
		t.Errorf("it may set the clock, or core_pattern: %v %s", err, res.Stdout)
	}
}

func TestChooseUsers(t *testing.T) {
	home := t.TempDir()
	beds := map[string]*Provider{}
	for _, name := range []string{"a", "b[*]"} { // what is no pattern in a path
		beds[name] = New(machine.Testbed{Name: name, Dir: filepath.Join(home, name)}, "/nowhere", Options{})
		beds[name].shifts.Do(func() { beds[name].shifted = true })
	}
	seen := map[int]bool{}
	choose := func(bed, name string) int {
		t.Helper()
		id, err := beds[bed].chooseUsers(name)
		if err != nil || id < firstUserID || id+userIDs-1 > 0x6fffffff || id%userIDs != 0 || seen[id] {
			t.Errorf("%s of %s: users from %d on, %v", name, bed, id, err)
		}
		seen[id] = true
		return id
	}
	record1 := func(bed, name string, id int) {
		t.Helper()
		m := beds[bed].machine(name)
		if err := errors.Join(os.MkdirAll(m.dir, 0o700), writeJSON(m.recordFile(), record{Version: recordVersion + 1, Users: id})); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"control", "node1", "node2"} {
		record1("a", name, choose("a", name))
	}
	// What another testbed, a snapshot or anybody's program has is not free, though it
	// would be the first choice.
	first := choose("b[*]", "node1")
	record1("a", "other", first)
	second := choose("b[*]", "node1")
	record1("b[*]", "other", second)
	third := choose("b[*]", "node1")
	snapshot := savedSnapshot{Version: snapshotVersion, Name: "mine", Machines: map[string]record{"node1": {Users: third, Layers: []string{"one"}}}}
	dir := beds["b[*]"].snapshotDir("mine")
	if err := errors.Join(os.MkdirAll(dir, 0o700), writeJSON(filepath.Join(dir, snapshotFile), snapshot)); err != nil {
		t.Fatal(err)
	}
	fourth := choose("b[*]", "node1")
	if os.Geteuid() != 0 {
		return
	}
	cmd := exec.Command("cat")
	ids := []syscall.SysProcIDMap{{HostID: fourth + 1<<16, Size: 1}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids}
	hold, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	choose("b[*]", "node1")
	_ = hold.Close()
	_ = cmd.Wait()
}
