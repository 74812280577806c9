package nspawn

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/mountinfo"
	"noriter.dev/noriter/provision/machine"
)

// testDiskGiB is small, so that a machine fills it soon.
const testDiskGiB = 1

// TestDisk fills a machine until its disk is full: it has what it was promised, and not more.
func TestDisk(t *testing.T) {
	b := newBedOfDisk(t, testDiskGiB, "node1", "node2")
	ctx := t.Context()
	b.up(ctx, "node1", "node2")
	c, m := b.dial(ctx, "node1"), b.machine("node1")
	// A machine's root and containerd's folder are on it.
	for _, dir := range []string{"/root", "/var/lib/containerd"} {
		res, err := c.Run(ctx, machine.Command{Line: "head -c 2G /dev/zero > " + dir + "/fill"})
		if err == nil || !strings.Contains(string(res.Stderr), "No space left on device") {
			t.Errorf("2 GiB were written to %s of a disk of %d: %v %s", dir, testDiskGiB, err, res.Stderr)
		}
		b.run(ctx, c, "rm "+dir+"/fill; sync")
	}
	ownsAll(t, m)

	// What is on it goes through a snapshot, and a boot of the host.
	b.run(ctx, c, "echo then > /root/word; sync")
	if err := b.Save(ctx, "then"); err != nil {
		t.Fatal(err)
	}
	b.run(ctx, c, "echo since > /root/word; sync")
	if err := b.Restore(ctx, "then"); err != nil {
		t.Fatal(err)
	}
	if got := b.run(ctx, b.dial(ctx, "node1"), "cat /root/word"); got != "then\n" {
		t.Errorf("after going back the word is %q", got)
	}
	if err := b.Stop(ctx, "node1"); err != nil {
		t.Fatal(err)
	}
	if loop, err := m.loop(); err != nil || loop != "" {
		t.Errorf("the disk of a machine that is off is mounted: %s, %v", loop, err)
	}
	if infos, err := b.List(ctx); err != nil || len(infos) != 2 {
		t.Errorf("with a disk unmounted there are %v, %v", infos, err)
	}

	// What somebody trimmed is reserved again at the next start.
	hole, err := os.OpenFile(m.diskFile(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer hole.Close()
	const last = testDiskGiB<<30 - 4096 // nothing is there in so empty a file system
	if err := unix.Fallocate(int(hole.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, last, 4096); err != nil {
		t.Fatal(err)
	}
	b.up(ctx, "node1", "node2")
	b.run(ctx, b.dial(ctx, "node1"), "grep then /root/word")
	ownsAll(t, m)

	// A machine takes what snapshots have of it with its disk; another of its name is
	// none that could go back.
	if err := b.RemoveMachine(ctx, "node2"); err != nil {
		t.Fatal(err)
	}
	b.up(ctx, "node2")
	b.run(ctx, b.dial(ctx, "node2"), "echo new > /root/word; sync")
	if err := b.Restore(ctx, "then"); err != nil {
		t.Fatal(err)
	}
	b.run(ctx, b.dial(ctx, "node1"), "grep then /root/word")
	b.run(ctx, b.dial(ctx, "node2"), "grep new /root/word")
	if err := b.DeleteSnapshot(ctx, "then"); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(m.layersDir(), "*"+besideLayer)); len(left) > 0 {
		t.Errorf("of a deleted snapshot are left %v", left)
	}
}

// ownsAll wants all of the disk's blocks to be the machine's own.
func ownsAll(t *testing.T, m *node) {
	t.Helper()
	fi, err := os.Stat(m.diskFile())
	if err != nil {
		t.Fatal(err)
	}
	if taken := fi.Sys().(*syscall.Stat_t).Blocks * 512; taken < testDiskGiB<<30 {
		t.Errorf("%d bytes are the machine' own, of %d: a full host would be its I/O error", taken, testDiskGiB<<30)
	}
}

// TestDiskOfFullHost asks for more than the host has.
func TestDiskOfFullHost(t *testing.T) {
	b := newBedOfDisk(t, 1<<20, "node1") // a PiB
	if err := b.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := b.Ensure(t.Context(), b.spec("node1"))
	var lacks *machine.HostError
	if !errors.As(err, &lacks) {
		t.Errorf("a PiB: %v", err)
	}
	if left, _ := filepath.Glob(b.machine("node1").diskFile() + "*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestDiskLost takes the file away below a machine that is off.
func TestDiskLost(t *testing.T) {
	b := newBedOfDisk(t, testDiskGiB, "node1")
	ctx := t.Context()
	b.up(ctx, "node1")
	if err := b.Stop(ctx, "node1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(b.machine("node1").diskFile()); err != nil {
		t.Fatal(err)
	}
	if err := b.Ensure(ctx, b.spec("node1")); err == nil || !strings.Contains(err.Error(), "disk.img is gone") {
		t.Errorf("with the disk gone: %v", err)
	}
}

// TestDiskLeftover removes a machine's file below its disk, as a person may.
func TestDiskLeftover(t *testing.T) {
	b := newBedOfDisk(t, testDiskGiB, "node1")
	m := b.machine("node1")
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := m.makeDisk(t.Context(), testDiskGiB); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(m.diskFile()); err != nil {
		t.Fatal(err)
	}
	mounts, err := mountinfo.Own()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lostRoots(mounts) {
		if l.Dir == b.tb.Dir {
			if err := l.Remove(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}
	if loop, err := m.loop(); err != nil || loop != "" {
		t.Errorf("the disk is still mounted: %s %v", loop, err)
	}
}
