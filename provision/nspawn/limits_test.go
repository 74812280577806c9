package nspawn

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"noriter.dev/noriter/provision/machine"
)

// fakeGroup is a machine's cgroup in a hierarchy of plain files.
func fakeGroup(t *testing.T, files ...string) (g group, read func() map[string]string) {
	t.Helper()
	g = group{trees: []hierarchy{{dir: t.TempDir()}}, path: []string{groupRoot, "tb", "node1"}}
	dir := g.dir(g.trees[0])
	for _, f := range files {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, f), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return g, func() map[string]string {
		content := map[string]string{}
		for _, f := range files {
			b, err := os.ReadFile(filepath.Join(dir, f))
			if err != nil {
				t.Fatal(err)
			}
			content[f] = string(b)
		}
		return content
	}
}

// TestLimit: what goes into the files of both versions, with limits and without.
func TestLimit(t *testing.T) {
	for _, c := range []struct {
		mib, cpus int
		want      map[string]string
	}{
		{512, 3, map[string]string{"memory.max": "536870912", "pids.max": "16384", "cpu.max": "300000 100000"}},
		{0, 0, map[string]string{"memory.max": "max", "pids.max": "16384", "cpu.max": "max 100000"}},
		{512, 3, map[string]string{"memory.limit_in_bytes": "536870912", "pids.max": "16384", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "300000"}},
		{0, 0, map[string]string{"memory.limit_in_bytes": "-1", "pids.max": "16384", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "-1"}},
		{512, 0, map[string]string{}}, // a host without any of it
	} {
		var files []string
		for f := range c.want {
			files = append(files, f)
		}
		g, read := fakeGroup(t, files...)
		if err := g.limit(c.mib, c.cpus); err != nil {
			t.Fatal(err)
		}
		if got := read(); !maps.Equal(got, c.want) {
			t.Errorf("%d MiB, %d processors: %v, want %v", c.mib, c.cpus, got, c.want)
		}
	}
	g, _ := fakeGroup(t, "memory.max", "pids.max")
	var lacks *machine.HostError
	if err := g.limit(512, 1); !errors.As(err, &lacks) {
		t.Errorf("a host that can't limit processors: %v", err)
	}
}

// TestShare: all testbeds together weigh no more than another group of the host.
func TestShare(t *testing.T) {
	for file, fair := range map[string]int{"cpu.shares": 1024, "cpu.weight": 100} {
		for have, want := range map[int]int{fair: fair, 10 * fair: fair, fair / 2: fair / 2} {
			g := group{trees: []hierarchy{{dir: t.TempDir()}, {dir: t.TempDir()}}, path: []string{groupRoot, "tb", "node1"}}
			path := filepath.Join(g.trees[1].dir, groupRoot, file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(strconv.Itoa(have)+"\n"), 0o600), g.share()); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != strconv.Itoa(want) && string(got) != strconv.Itoa(want)+"\n" {
				t.Errorf("%s of %d becomes %q, %v; want %d", file, have, got, err, want)
			}
		}
	}
}
