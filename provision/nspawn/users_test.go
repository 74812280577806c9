package nspawn

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/nspawn/waysout"
)

// TestWaysOut tries all of them as root of a machine with users of its own.
func TestWaysOut(t *testing.T) {
	b := newBed(t, "node1")
	ctx := t.Context()
	b.up(ctx, "node1")
	if !b.canShift() {
		t.Skip("this kernel can't give a machine users of its own")
	}
	c := b.dial(ctx, "node1")
	if got := b.run(ctx, c, waysout.Script(t, waysout.Node)); got != waysout.Closed+"\n" {
		t.Errorf("root on a machine came out:\n%s", got)
	}
	// What it writes belongs on the host to nobody else, and its processes to no one either.
	b.run(ctx, c, "echo > /root/mine")
	rec, err := b.machine("node1").readRecord()
	if err != nil {
		t.Fatal(err)
	}
	st, err := stat(filepath.Join(b.machine("node1").upper(), "root/mine"))
	if err != nil || rec.Users < firstUserID || int(st.Uid) != rec.Users {
		t.Errorf("root's file belongs to %d on the host, %v; the machine's users begin with %d", st.Uid, err, rec.Users)
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

// TestChooseAtOnce has machines that would all choose the same users.
func TestChooseAtOnce(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root") // as CI says in the other tests
	}
	p := New(machine.Testbed{Name: "a", Dir: filepath.Join(t.TempDir(), "a")}, "/nowhere", Options{})
	p.shifts.Do(func() { p.shifted = true })
	dirs := []string{"1", "2", "3", "4", "5", "6"}
	of := func(dir string) *node { return &node{p: p, name: "node1", dir: filepath.Join(p.machinesDir(), dir)} }
	for _, dir := range dirs {
		if err := errors.Join(os.MkdirAll(of(dir).upper(), 0o700), os.Mkdir(of(dir).containerd(), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	if err := each(dirs, func(dir string) error {
		return of(dir).settle(t.Context(), machine.Spec{Name: "node1", Address: netip.MustParseAddr("10.77.0.11")})
	}); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, dir := range dirs {
		rec, err := of(dir).readRecord()
		if err != nil || rec.Users == 0 || seen[rec.Users] {
			t.Errorf("%s has %d, %v", dir, rec.Users, err)
		}
		seen[rec.Users] = true
	}
}
