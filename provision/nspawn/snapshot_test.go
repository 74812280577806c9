package nspawn

import (
	"os"
	"strings"
	"testing"
	"time"
)

// changes is what happens between two snapshots: new, changed and removed
// files, a folder replaced, a link, a hole, attributes.
const changes = `set -e
echo new > /root/new
echo other > /etc/issue
rm -f /etc/issue.net
rm -r /usr/share/zoneinfo && mkdir /usr/share/zoneinfo && echo only > /usr/share/zoneinfo/only
ln -s new /root/link; ln /root/new /root/second
truncate -s 50M /root/hole; printf x >> /root/hole
mkdir -p /var/lib/containerd/io.containerd.content.v1.content/blobs/sha256
echo blob > /var/lib/containerd/io.containerd.content.v1.content/blobs/sha256/aa
echo state > /var/lib/containerd/state
printf '#!/bin/sh\n' > /usr/local/bin/nori-test
chown 12:34 /root/new; chmod 4751 /root/new
sync -f /root/new`

// look prints all of that.
const look = `cat /root/new /etc/issue; ls /etc/issue.net /usr/share/zoneinfo 2>&1; readlink /root/link
stat -c '%a %u %g %h %s' /root/new /root/hole; cat /var/lib/containerd/state
cat /var/lib/containerd/io.containerd.content.v1.content/blobs/sha256/aa`

func TestSnapshot(t *testing.T) {
	names := []string{"control", "node1", "node2"}
	b := newBed(t, names...)
	ctx := t.Context()
	b.up(ctx, names...)
	for _, n := range names {
		b.run(ctx, b.dial(ctx, n), changes)
	}
	want := b.run(ctx, b.dial(ctx, "node1"), look)
	start := time.Now()
	if err := b.Save(ctx, "first"); err != nil {
		t.Fatal(err)
	}
	t.Logf("three machines saved in %s", time.Since(start))

	// More rounds than layers may lie upon each other.
	for round := range maxLayers + 2 {
		c := b.dial(ctx, "node1")
		if got := b.run(ctx, c, look); got != want {
			t.Fatalf("round %d: the machine looks so:\n%s\nwanted:\n%s", round, got, want)
		}
		b.run(ctx, c, "rm -r /root/new /root/hole /var/lib/containerd/state /usr/share/zoneinfo; echo lost > /root/lost")
		start := time.Now()
		if err := b.Restore(ctx, "first"); err != nil {
			t.Fatal(err)
		}
		running := time.Since(start)
		for _, n := range names {
			b.dial(ctx, n)
		}
		t.Logf("restored in %s, three machines answer after %s", running, time.Since(start))
		if got := b.run(ctx, b.dial(ctx, "node1"), look+"; ls /root"); strings.Contains(got, "lost") {
			t.Fatal("a file of after the snapshot is there")
		}
		if err := b.Save(ctx, "first"); err != nil { // replaces it
			t.Fatal(err)
		}
	}
	if err := b.Save(ctx, "second"); err != nil {
		t.Fatal(err)
	}
	list, err := b.Snapshots(ctx)
	if err != nil || len(list) != 2 || list[0].Name != "first" || list[1].Name != "second" || list[0].Bytes == 0 {
		t.Fatalf("Snapshots: %+v, %v", list, err)
	}
	if err := b.DeleteSnapshot(ctx, "second"); err != nil {
		t.Fatal(err)
	}
	if err := b.Restore(ctx, "second"); err == nil || !strings.Contains(err.Error(), "first") {
		t.Errorf("restoring a snapshot that isn't there: %v; want an error that names those that are", err)
	}
	testLimits(t, b.machine("control"), 1)
	n, err := b.machine("node1").readRecord()
	if err != nil || len(n.Layers) == 0 || len(n.Layers) > maxLayers {
		t.Errorf("layers %v, %v", n.Layers, err)
	}
	layers, err := os.ReadDir(b.machine("node1").layersDir())
	if err != nil || len(layers) > 3*(maxLayers+1) {
		t.Errorf("%d layers are kept, %v: unused ones should go", len(layers), err)
	}
}

// TestRestoreInterrupted dies in the middle of a restore, and calls again.
func TestRestoreInterrupted(t *testing.T) {
	b := newBed(t, "control", "node1")
	ctx := t.Context()
	b.up(ctx, "control", "node1")
	b.run(ctx, b.dial(ctx, "node1"), "echo then > /root/when")
	if err := b.Save(ctx, "base"); err != nil {
		t.Fatal(err)
	}
	b.run(ctx, b.dial(ctx, "node1"), "echo now > /root/when")
	// As if killed after the first machine was back and the second was off.
	if err := writeJSON(b.restoringFile(), "base"); err != nil {
		t.Fatal(err)
	}
	if err := b.machine("node1").stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(b.machine("node1").upper()); err != nil {
		t.Fatal(err)
	}
	b.up(ctx, "control", "node1")
	if got := b.run(ctx, b.dial(ctx, "node1"), "cat /root/when"); got != "then\n" {
		t.Errorf("after the interrupted restore: %q", got)
	}
	// As if killed while a snapshot was saved.
	if err := os.MkdirAll(b.snapshotDir(unfinished+"half"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := b.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	list, err := b.Snapshots(ctx)
	if err != nil || len(list) != 1 {
		t.Errorf("Snapshots: %v, %v", list, err)
	}
}
