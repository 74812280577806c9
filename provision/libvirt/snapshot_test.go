package libvirt

import (
	"os"
	"strings"
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// remember sets what the machines "are" now.
func (g *playground) remember(what string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range g.domains {
		d.memory = what
	}
}

func (g *playground) want(t *testing.T, what string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for n, d := range g.domains {
		if d.memory != what || d.state != golibvirt.DomainRunning {
			t.Errorf("%s is %q in state %d, want %q and running", n, d.memory, d.state, what)
		}
	}
}

func TestSnapshots(t *testing.T) {
	g := newPlayground(t)
	p := g.nori(t)
	must(t, up(t.Context(), p))
	g.remember("one")
	must(t, p.Save(t.Context(), "a"))
	g.remember("two")
	must(t, p.Save(t.Context(), "b"))
	must(t, p.Restore(t.Context(), "a"))
	g.want(t, "one")
	must(t, p.Restore(t.Context(), "b"))
	g.want(t, "two")
	g.remember("three")
	must(t, p.Save(t.Context(), "a")) // replaces
	list, err := p.Snapshots(t.Context())
	must(t, err)
	if len(list) != 2 || list[0].Name != "b" || list[1].Name != "a" || !list[0].Memory || list[0].Bytes != 2<<20 {
		t.Errorf("Snapshots = %+v", list)
	}
	for n, d := range g.domains {
		if len(d.snapshots) != 2 {
			t.Errorf("%s holds %v: the replaced one is still there", n, d.snapshots)
		}
	}
	must(t, p.DeleteSnapshot(t.Context(), "b"))
	if err := p.Restore(t.Context(), "b"); err == nil || !strings.Contains(err.Error(), "there is a") {
		t.Errorf("restoring what was deleted: %v", err)
	}
	must(t, p.Restore(t.Context(), "a"))
	g.want(t, "three")
}

func TestRestoreOfOffAndCrashed(t *testing.T) {
	g := newPlayground(t)
	p := g.nori(t)
	must(t, up(t.Context(), p))
	g.remember("one")
	must(t, p.Save(t.Context(), "a"))
	g.domains["nori-demo-control"].state = golibvirt.DomainShutoff
	g.domains["nori-demo-node1"].state = golibvirt.DomainCrashed
	must(t, p.Restore(t.Context(), "a"))
	g.want(t, "one")
}

// A machine that is off is saved as one about to boot, and is off afterwards.
func TestSaveOfOff(t *testing.T) {
	g := newPlayground(t)
	p := g.nori(t)
	must(t, up(t.Context(), p))
	must(t, p.Stop(t.Context(), "node1"))
	must(t, p.Save(t.Context(), "a"))
	if s := g.domains["nori-demo-node1"].state; s != golibvirt.DomainShutoff {
		t.Errorf("node1 is in state %d after the save", s)
	}
	must(t, p.Restore(t.Context(), "a"))
	g.want(t, "booted")
}

// Killed at any call of a save, the old snapshot of the name holds, or the
// new one, and the machines can be brought to run on.
func TestSaveKilledAtAnyCall(t *testing.T) {
	for at := 1; ; at++ {
		g := newPlayground(t)
		must(t, up(t.Context(), g.nori(t)))
		g.remember("old")
		must(t, g.nori(t).Save(t.Context(), "a"))
		g.remember("new")
		g.mu.Lock()
		g.calls, g.dropAt = 0, at
		g.mu.Unlock()
		err := g.nori(t).Save(t.Context(), "a")
		g.mu.Lock()
		done := g.calls < at
		g.dropAt = 0
		g.mu.Unlock()
		must(t, up(t.Context(), g.nori(t)))
		g.want(t, "new")
		p := g.nori(t)
		must(t, p.Restore(t.Context(), "a"))
		g.mu.Lock()
		control, node1 := g.domains["nori-demo-control"].memory, g.domains["nori-demo-node1"].memory
		g.mu.Unlock()
		if control != node1 || control != "old" && control != "new" {
			t.Fatalf("killed at call %d, the snapshot is of %q and %q", at, control, node1)
		}
		must(t, p.Save(t.Context(), "a"))
		for n, d := range g.domains {
			if len(d.snapshots) != 1 {
				t.Errorf("killed at call %d, %s holds %v", at, n, d.snapshots)
			}
		}
		if done {
			must(t, err)
			return
		}
	}
}

// Killed at any call of a restore, the next up completes it.
func TestRestoreKilledAtAnyCall(t *testing.T) {
	for at := 1; ; at++ {
		g := newPlayground(t)
		must(t, up(t.Context(), g.nori(t)))
		g.remember("then")
		must(t, g.nori(t).Save(t.Context(), "a"))
		g.remember("now")
		g.mu.Lock()
		g.calls, g.dropAt = 0, at
		g.mu.Unlock()
		err := g.nori(t).Restore(t.Context(), "a")
		g.mu.Lock()
		done := g.calls < at
		g.dropAt = 0
		g.mu.Unlock()
		interrupted, rerr := g.nori(t).readRestoring()
		must(t, rerr)
		g.mu.Lock()
		for n, d := range g.domains {
			if interrupted == "" && !done && (d.state != golibvirt.DomainRunning || d.memory != "now") {
				t.Errorf("killed at call %d, %s is touched and no note says so", at, n)
			}
		}
		g.mu.Unlock()
		must(t, up(t.Context(), g.nori(t)))
		if interrupted != "" || done {
			g.want(t, "then")
		}
		if done {
			must(t, err)
			return
		}
		must(t, g.nori(t).Restore(t.Context(), "a"))
		g.want(t, "then")
	}
}

func TestRestoreOfMissingMachine(t *testing.T) {
	g := newPlayground(t)
	p := g.nori(t)
	must(t, up(t.Context(), p))
	g.remember("one")
	must(t, p.Save(t.Context(), "a"))
	g.remember("two")
	delete(g.domains, "nori-demo-node1")
	if err := p.Restore(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "node1 is gone") {
		t.Errorf("Restore = %v", err)
	}
	g.want(t, "two") // nothing was touched
	if name, _ := p.readRestoring(); name != "" {
		t.Errorf("a restore of %s is noted", name)
	}
}

func TestSnapshotNames(t *testing.T) {
	g := newPlayground(t)
	p := g.nori(t)
	for _, name := range []string{"", "../x", ".hidden", "a/b", "a b", "-x", strings.Repeat("x", 65), "ä"} {
		if p.Save(t.Context(), name) == nil || p.Restore(t.Context(), name) == nil || p.DeleteSnapshot(t.Context(), name) == nil {
			t.Errorf("name %q is taken", name)
		}
	}
	for _, name := range []string{"a", "A-1_x.y", strings.Repeat("x", 64)} {
		if err := checkSnapshotName(name); err != nil {
			t.Error(err)
		}
	}
}

// TestDamagedRecord: a snapshot whose record is damaged is shown as such, is in nobody's
// way, and can be replaced or deleted.
func TestDamagedRecord(t *testing.T) {
	for _, content := range []string{"", "{", `{"name":"a"}`} {
		g := newPlayground(t)
		p := g.nori(t)
		must(t, up(t.Context(), p))
		must(t, p.Save(t.Context(), "a"))
		g.remember("b")
		must(t, p.Save(t.Context(), "b"))
		must(t, os.WriteFile(p.recordPath("a"), []byte(content), 0o600))
		list, err := p.Snapshots(t.Context())
		if err != nil || len(list) != 2 || !list[0].Damaged || list[0].Name != "a" || list[1].Damaged {
			t.Errorf("%q: Snapshots = %+v, %v", content, list, err)
		}
		if err := p.Restore(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%q: restoring it: %v", content, err)
		}
		g.remember("now")
		must(t, p.Restore(t.Context(), "b"))
		g.want(t, "b")
		must(t, p.Save(t.Context(), "c"))
		for n, d := range g.domains {
			if len(d.snapshots) != 3 {
				t.Errorf("%q: %s holds %v: what the damaged record may name is gone", content, n, d.snapshots)
			}
		}
		must(t, p.DeleteSnapshot(t.Context(), "c"))
		must(t, p.Save(t.Context(), "a"))
		must(t, os.WriteFile(p.recordPath("a"), []byte(content), 0o600))
		must(t, p.DeleteSnapshot(t.Context(), "a"))
		for n, d := range g.domains {
			if len(d.snapshots) != 1 {
				t.Errorf("%q: %s still holds %v", content, n, d.snapshots)
			}
		}
	}
}

// TestHalfRestoreWithoutSnapshot: a restore that was interrupted and can't be ended is
// neither taken for whole machines nor in the way of another restore.
func TestHalfRestoreWithoutSnapshot(t *testing.T) {
	g := newPlayground(t)
	p := g.nori(t)
	must(t, up(t.Context(), p))
	g.remember("one")
	must(t, p.Save(t.Context(), "a"))
	must(t, p.writeRestoring("gone"))
	must(t, p.Prepare(t.Context()))
	if err := up(t.Context(), p); err == nil || !strings.Contains(err.Error(), "`nori reset --name demo`") {
		t.Errorf("switching on: %v, want what to type", err)
	}
	must(t, p.Restore(t.Context(), "a"))
	must(t, up(t.Context(), p))
	g.want(t, "one")
}
