package nspawn

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/provision/machine"
)

// damages are what a crash of the host, or a person, does to a small file.
var damages = map[string]func(path string) error{
	"removed": os.Remove,
	"emptied": func(path string) error { return os.Truncate(path, 0) },
	"cut":     func(path string) error { return os.Truncate(path, 20) },
	"another": func(path string) error { return os.WriteFile(path, []byte("{}"), 0o600) },
}

// TestDamagedRecord: a machine whose record is lost is still seen and removed, and its
// snapshot puts it back. Nothing of it is made anew, or thrown away, before.
func TestDamagedRecord(t *testing.T) {
	b := newBed(t, "control", "node1")
	ctx := t.Context()
	b.up(ctx, "control", "node1")
	b.run(ctx, b.dial(ctx, "node1"), "echo then > /root/when")
	if err := b.Save(ctx, "base"); err != nil {
		t.Fatal(err)
	}
	node := b.machine("node1")
	ways := maps.Clone(damages)
	ways["hidden"] = func(path string) error {
		return unix.Mount("none", filepath.Dir(path), "tmpfs", 0, "size=1m")
	}
	for how, damage := range ways {
		if err := damage(node.recordFile()); err != nil {
			t.Fatal(err)
		}
		infos, err := b.List(ctx)
		if err != nil || len(infos) != 2 || infos[1].State != machine.Running {
			t.Errorf("%s: the machines are %+v, %v; want two that run", how, infos, err)
		}
		err = b.Ensure(ctx, b.spec("node1"))
		if err == nil || !strings.Contains(err.Error(), "`nori reset --name "+bedName+"`") {
			t.Errorf("%s: switching it on: %v; want what to type", how, err)
		}
		if err := b.Prepare(ctx); err != nil {
			t.Errorf("%s: %v", how, err)
		}
		if err := b.Restore(ctx, "base"); err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		if got := b.run(ctx, b.dial(ctx, "node1"), "cat /root/when"); got != "then\n" {
			t.Errorf("%s: after the restore: %q", how, got)
		}
	}
}

// TestHiddenFolder: a machine that is off, and over whose folder somebody has mounted
// something, comes up as it was.
func TestHiddenFolder(t *testing.T) {
	b := newBed(t, "node1")
	ctx := t.Context()
	b.up(ctx, "node1")
	b.run(ctx, b.dial(ctx, "node1"), "echo then > /root/when")
	if err := b.Stop(ctx, "node1"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // one over the other
		if err := unix.Mount("none", b.machine("node1").dir, "tmpfs", 0, "size=1m"); err != nil {
			t.Fatal(err)
		}
	}
	b.up(ctx, "node1")
	if got := b.run(ctx, b.dial(ctx, "node1"), "cat /root/when"); got != "then\n" {
		t.Errorf("it is another machine: %q", got)
	}
}

// TestDamagedSnapshot: a snapshot whose record is damaged is shown as such, keeps the
// layers that it may need, and can be replaced or deleted. One of which a part is lost
// is refused before any machine gives its disk up for it.
func TestDamagedSnapshot(t *testing.T) {
	b := newBed(t, "node1")
	ctx := t.Context()
	b.up(ctx, "node1")
	for _, name := range []string{"a", "b"} {
		if err := b.Save(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	layers := func() int {
		entries, err := os.ReadDir(b.machine("node1").layersDir())
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	for how, damage := range damages {
		if how == "removed" {
			continue // then it is as if it had never come to its end
		}
		before := layers()
		if err := damage(filepath.Join(b.snapshotDir("a"), snapshotFile)); err != nil {
			t.Fatal(err)
		}
		list, err := b.Snapshots(ctx)
		if err != nil || len(list) != 2 || !list[0].Damaged || list[1].Damaged {
			t.Errorf("%s: Snapshots: %+v, %v; want a damaged one and another", how, list, err)
		}
		if err := b.Restore(ctx, "a"); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: restoring it: %v", how, err)
		}
		if err := b.Prepare(ctx); err != nil || layers() != before {
			t.Errorf("%s: %v, %d of %d layers are left", how, err, layers(), before)
		}
		if err := b.Save(ctx, "a"); err != nil {
			t.Fatalf("%s: saving it anew: %v", how, err)
		}
		if layers() != before {
			t.Errorf("%s: %d layers for %d before", how, layers(), before)
		}
	}
	if err := damages["cut"](filepath.Join(b.snapshotDir("a"), snapshotFile)); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteSnapshot(ctx, "a"); err != nil {
		t.Errorf("deleting the damaged one: %v", err)
	}
	snap, err := b.readSnapshot("b")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(b.layerDir(snap.Machines["node1"].Layers[0])); err != nil {
		t.Fatal(err)
	}
	if err := b.Restore(ctx, "b"); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("restoring one without its layer: %v", err)
	}
	b.dial(ctx, "node1") // it runs on
}

// TestHalfRestoreWithoutSnapshot: a restore that was interrupted and can't be ended is
// neither taken for a whole machine nor in the way of another restore.
func TestHalfRestoreWithoutSnapshot(t *testing.T) {
	b := newBed(t, "node1")
	ctx := t.Context()
	b.up(ctx, "node1")
	if err := b.Save(ctx, "base"); err != nil {
		t.Fatal(err)
	}
	for _, pending := range []string{`"gone"`, "", "\x00\x01"} {
		if err := os.WriteFile(b.restoringFile(), []byte(pending), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.Prepare(ctx); err != nil {
			t.Errorf("%q: %v", pending, err)
		}
		if err := b.Ensure(ctx, b.spec("node1")); err == nil || !strings.Contains(err.Error(), "`nori reset --name "+bedName+"`") {
			t.Errorf("%q: %v, want what to type", pending, err)
		}
		if err := b.Restore(ctx, "base"); err != nil {
			t.Fatalf("%q: %v", pending, err)
		}
		if err := b.Ensure(ctx, b.spec("node1")); err != nil {
			t.Errorf("%q: after the restore: %v", pending, err)
		}
	}
}

// TestLockOfUnmountedRoot: what systemd-nspawn leaves in /run is found without the
// mount that it is named after.
func TestLockOfUnmountedRoot(t *testing.T) {
	b := newBed(t, "node1") // its end looks for what is left
	ctx := t.Context()
	b.up(ctx, "node1")
	lock := b.machine("node1").lockFile()
	if _, err := os.Stat(lock); err != nil {
		t.Fatal(err)
	}
	if err := b.machine("node1").unmountRoot(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(ctx, "node1"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(lock); err == nil {
		t.Errorf("%s is left", lock)
	}
}
