package nspawn

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/mountinfo"
	"noriter.dev/noriter/provision/machine"
)

// lostBed is what a machine has on the host, but for systemd-nspawn: a mounted root,
// and a process in its cgroup. Its folder has all that a path may have.
type lostBed struct {
	*Provider
	t        *testing.T
	testbeds string
	keeper   *exec.Cmd
}

// lostName is its name, which no other run of these tests has.
var lostName = fmt.Sprintf("lost-%d", os.Getpid())

func newLostBed(t *testing.T) *lostBed {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	b := &lostBed{t: t, testbeds: filepath.Join(t.TempDir(), "홈 a,b:c")}
	image := t.TempDir()
	b.Provider = New(machine.Testbed{Name: lostName, Dir: filepath.Join(b.testbeds, lostName), Subnet: netip.MustParsePrefix("10.77.0.0/24")}, image, Options{Isolated: true})
	m := b.machine("node1")
	for _, d := range append(m.runtimeDirs(), m.root(), m.upper(), m.work(), "/run/systemd/nspawn/locks") {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	users, err := b.chooseUsers("node1") // 0 where the kernel can't
	if err == nil {
		err = m.mountRoot(record{Users: users})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.lockFile(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.keep(`chroot $ARGV[0] or die`)
	t.Cleanup(func() {
		if err := b.Remove(context.Background()); err != nil { // idempotent
			t.Error(err)
		}
	})
	return b
}

// keep starts a process in the machine's cgroup that is called as its keeper is. What it
// does first, in Perl, is told the machine's root and systemd-nspawn's lock for that.
func (b *lostBed) keep(first string) {
	b.t.Helper()
	g, err := b.machine("node1").group()
	if err != nil {
		b.t.Fatal(err)
	}
	own := g.child(payloadGroup)
	if err := own.create(); err != nil {
		b.t.Fatal(err)
	}
	m := b.machine("node1")
	b.keeper = &exec.Cmd{Path: "/usr/bin/perl", Args: []string{"--directory=" + m.root(), "-e", first + `; print "in\n"; close STDOUT; sleep 600`, m.root(), m.lockFile()}}
	out, err := b.keeper.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.keeper.Start(); err != nil {
		b.t.Fatal(err)
	}
	if said, err := io.ReadAll(out); err != nil || string(said) != "in\n" {
		b.t.Fatalf("the keeper says %q, %v", said, err)
	}
	ended := make(chan struct{})
	go func() { _ = b.keeper.Wait(); close(ended) }()
	b.t.Cleanup(func() { _ = b.keeper.Process.Kill(); <-ended })
	for _, h := range g.trees {
		if err := os.WriteFile(filepath.Join(own.dir(h), "cgroup.procs"), []byte(strconv.Itoa(b.keeper.Process.Pid)), 0); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *lostBed) look(testbeds string) []machine.Leftover {
	b.t.Helper()
	found, err := Leftovers(machine.Look{Testbeds: testbeds, Names: []string{lostName}, Machines: []string{"control", "node1"}})
	if err != nil {
		b.t.Fatal(err)
	}
	return slices.DeleteFunc(found, func(l machine.Leftover) bool { return l.Testbed != lostName })
}

// removed checks that nothing of the machine is there.
func (b *lostBed) removed(traces []string) {
	b.t.Helper()
	for _, f := range traces {
		if exists(f) {
			b.t.Errorf("left behind: %s", f)
		}
	}
	if mounted, err := mountinfo.Under(b.testbeds); err != nil || len(mounted) > 0 {
		b.t.Errorf("left mounted: %v, %v", mounted, err)
	}
	if left := b.look(b.testbeds); len(left) > 0 {
		b.t.Errorf("left: %v", left)
	}
}

func (b *lostBed) traces() []string {
	b.t.Helper()
	m := b.machine("node1")
	g, err := m.group()
	if err != nil {
		b.t.Fatal(err)
	}
	traces := append(m.runtimeDirs(), m.lockFile())
	for _, h := range g.trees {
		traces = append(traces, group{path: b.groupPath()}.dir(h))
	}
	return traces
}

// TestLeftovers removes the folder of a testbed whose machines run, and finds them.
func TestLeftovers(t *testing.T) {
	b := newLostBed(t)
	traces := b.traces()
	_ = exec.Command("rm", "-rf", b.tb.Dir).Run() // it can't remove what is mounted
	found := b.look(b.testbeds)
	if len(found) != 3 {
		t.Fatalf("found %d: %v; want processes, mounts and systemd-nspawn's folders", len(found), found)
	}
	for _, l := range found {
		if l.Dir != b.tb.Dir {
			t.Errorf("%v is of %q, want %q", l.What, l.Dir, b.tb.Dir)
		}
	}
	if !slices.Equal(found[0].Processes, []int{b.keeper.Process.Pid}) {
		t.Errorf("processes %v, want %d", found[0].Processes, b.keeper.Process.Pid)
	}
	for _, l := range found {
		if err := l.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	b.removed(traces)
}

// TestExists: not being able to look is not to have seen.
func TestExists(t *testing.T) {
	if exists("/dev/null/x") || exists("/not there") || !exists("/dev/null") {
		t.Error("what can't be looked at is taken for there")
	}
}

// TestLeftoversOfAnother: what is below another folder says so, by its processes and
// its mounts.
func TestLeftoversOfAnother(t *testing.T) {
	b := newLostBed(t)
	found := b.look("/elsewhere")
	if len(found) != 2 {
		t.Fatalf("found %v", found)
	}
	for _, l := range found {
		if l.Dir != b.tb.Dir {
			t.Errorf("%v is of %q, want %q", l.What, l.Dir, b.tb.Dir)
		}
	}
}

// TestLeftoversOfMovedFolder: the mount goes with the folder and is found all the same.
func TestLeftoversOfMovedFolder(t *testing.T) {
	b := newLostBed(t)
	traces := b.traces()
	if err := os.Rename(b.tb.Dir, b.tb.Dir+"-moved"); err != nil {
		t.Fatal(err)
	}
	for _, l := range b.look(b.testbeds) {
		if err := l.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	b.removed(traces)
}

// TestLeftoversOfUnmountedRoot: the lock of a root that somebody unmounted is known by
// the processes that are in it.
func TestLeftoversOfUnmountedRoot(t *testing.T) {
	b := newLostBed(t)
	traces := b.traces()
	if err := unix.Unmount(b.machine("node1").root(), unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	for _, l := range b.look(b.testbeds) {
		if err := l.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	b.removed(traces)
}

// TestLeftoversOfEndingMachine: a machine's own processes have ended, its root is
// unmounted, and systemd-nspawn is killed before it has removed its lock.
func TestLeftoversOfEndingMachine(t *testing.T) {
	b := newLostBed(t)
	traces := b.traces()
	if err := b.keeper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	b.keep(`open my $lock, ">>", $ARGV[1] or die`)
	if err := unix.Unmount(b.machine("node1").root(), unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	for _, l := range b.look(b.testbeds) {
		if err := l.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	b.removed(traces)
}

// TestRemoveWithoutFolder: `nori down` of a testbed whose machines' folder is gone.
func TestRemoveWithoutFolder(t *testing.T) {
	b := newLostBed(t)
	traces := b.traces()
	if err := b.machine("node1").unmountRoot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.removed(slices.DeleteFunc(traces, func(f string) bool { return filepath.Base(filepath.Dir(f)) == "locks" }))
}

// TestOpenIn: the lock that systemd-nspawn has open is found, where nothing else tells of
// it; what it has removed already is not.
func TestOpenIn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"inode-1:2", "inode-3:4"} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	if err := os.Remove(filepath.Join(dir, "inode-3:4")); err != nil {
		t.Fatal(err)
	}
	if got, want := openIn(os.Getpid(), dir), []string{filepath.Join(dir, "inode-1:2")}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := openIn(os.Getpid(), filepath.Dir(dir)); len(got) > 0 {
		t.Errorf("in the folder above: %q", got)
	}
}
