package nspawn

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"noriter.dev/noriter/internal/tail"
	"noriter.dev/noriter/provision/machine"
)

func testProvider(dir, name string) *Provider {
	return New(machine.Testbed{Name: name, Dir: dir, Subnet: netip.MustParsePrefix("10.77.3.0/24")}, "/image/root", Options{})
}

func TestNames(t *testing.T) {
	long := strings.Repeat("x", 20)
	for _, tb := range []string{"a", "noriter", long} {
		p := testProvider("/beds/"+tb, tb)
		if b := p.bridge(); len(b) > 15 || !strings.HasPrefix(b, "nori-") {
			t.Errorf("bridge %q", b)
		}
		seen := map[string]bool{}
		for _, name := range []string{"control", "control2", "node1", "node2", "a-b-c-d-e", "abcde-fghi"} {
			u := p.machine(name).unit()
			if len("vb-"+u) > 15 || seen[u] {
				t.Errorf("machine %s is called %q", name, u)
			}
			seen[u] = true
		}
	}
	if testProvider("/one", "a").machine("node1").unit() == testProvider("/two", "a").machine("node1").unit() {
		t.Error("machines of two testbeds have one name")
	}
}

func TestSupervisor(t *testing.T) {
	p := testProvider("/beds/it's", "a")
	g := group{trees: []hierarchy{{dir: "/cg/memory"}, {dir: "/cg/unified", v2: true}}, path: []string{"noriter", "a-1", "node1"}}
	script := p.machine("node1").supervisor(g, record{})
	for _, want := range []string{
		"echo $$ > '/cg/memory/noriter/a-1/node1/keeper/cgroup.procs'",
		"echo 0 > '/cg/unified/noriter/a-1/node1/machine/cgroup.procs'",
		`'--directory=/beds/it'\''s/nspawn/machines/node1/root'`,
		"'--network-bridge=nori-a'", "[ $code = 133 ] || break",
	} {
		if !strings.Contains(script, want) {
			t.Errorf("the script lacks %s:\n%s", want, script)
		}
	}
	file := filepath.Join(t.TempDir(), "run.sh")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	sh(t, "/", "sh -n "+file)
}

// TestConsole: what a machine prints has no end, and its file has one.
func TestConsole(t *testing.T) {
	dir := t.TempDir()
	for name, print := range map[string]string{"little": "echo first", "much": "yes first | head -c 20000000"} {
		file := filepath.Join(dir, name)
		sh(t, dir, "{ "+print+"; sleep 0.1; echo last; } | "+keepEnd(file, file+".1"))
		text, err := tail.Of(file, 100)
		if err != nil || !strings.HasSuffix(text, "last\n") {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		if name == "little" && text != "first\nlast\n" {
			t.Errorf("%s: %q", name, text)
		}
		if fi, err := os.Stat(file); err != nil || fi.Size() > consolePieces*4096 || exists(file+".1") {
			t.Errorf("%s: %v, %v", name, fi, err)
		}
	}
}

func TestCheckSpec(t *testing.T) {
	p := testProvider("/beds/a", "a")
	for _, s := range []machine.Spec{
		{Name: "", Address: netip.MustParseAddr("10.77.3.10")},
		{Name: "../x", Address: netip.MustParseAddr("10.77.3.10")},
		{Name: "node1", Address: netip.MustParseAddr("10.77.4.10")},
		{Name: "node1"},
	} {
		if err := p.Ensure(t.Context(), s); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
}

const mountinfoV1 = `31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
42 31 0:38 / /mnt/again\040here rw - cgroup2 cgroup2 rw
`

func TestHierarchies(t *testing.T) {
	got := parseHierarchies(mountinfoV1)
	if len(got) != 3 || !got[0].has("cpuacct") || got[0].v2 || !got[1].has("name=systemd") || !got[2].v2 {
		t.Errorf("got %+v", got)
	}
	g := group{trees: got}
	if h, ok := g.freezer(); !ok || !h.v2 {
		t.Errorf("freezer %+v, %v: without v1's it is v2's", h, ok)
	}
	got = append(got, hierarchy{dir: "/f", controllers: []string{"freezer"}})
	if h, _ := (group{trees: got}).freezer(); h.dir != "/f" {
		t.Errorf("freezer %+v: v1's goes first", h)
	}
}

func FuzzHierarchies(f *testing.F) {
	f.Add(mountinfoV1)
	f.Fuzz(func(t *testing.T, s string) {
		for _, h := range parseHierarchies(s) {
			if h.dir == "" {
				t.Errorf("%q gives a tree without a folder", s)
			}
		}
	})
}

func TestEscapeOption(t *testing.T) {
	if got := escapeOption(`/a:b,c\d`); got != `/a\:b\,c\\d` {
		t.Errorf("got %s", got)
	}
}

func TestCommittedLayers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, snapshotter, "metadata.db")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(file, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		v1, _ := tx.CreateBucket([]byte("v1"))
		list, err := v1.CreateBucket([]byte("snapshots"))
		if err != nil {
			return err
		}
		for id, kind := range map[byte]byte{7: 3, 8: 2, 9: 1} {
			b, err := list.CreateBucket([]byte{'k', id})
			if err != nil {
				return err
			}
			if err := b.Put([]byte("id"), []byte{id}); err != nil {
				return err
			}
			if err := b.Put([]byte("kind"), []byte{kind}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() // held open, as the machine's containerd does
	share, err := shareContainerd(dir)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		snapshotter + "/snapshots/7/fs/bin/sh":      true,
		snapshotter + "/snapshots/8/fs/bin/sh":      false,
		snapshotter + "/snapshots/9/fs/bin/sh":      false,
		snapshotter + "/snapshots/77/fs/bin/sh":     false,
		snapshotter + "/metadata.db":                false,
		contentDir + "sha256/ab":                    true,
		"io.containerd.content.v1.content/ingest/x": false,
		"io.containerd.metadata.v1.bolt/meta.db":    false,
	} {
		if got := share(path, nil); got != want {
			t.Errorf("%s: shared %v", path, got)
		}
	}
	for _, junk := range []string{"", "no database"} {
		if err := os.WriteFile(filepath.Join(dir, "junk"), []byte(junk), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := committedLayers(filepath.Join(dir, "junk")); err != nil || len(got) != 0 {
			t.Errorf("%q: %v, %v; all is to be copied", junk, got, err)
		}
	}
}
