package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testOlderNori makes of the testbed one of an older nori: a snapshot has other programs,
// and the state says neither which nor who wrote it. Going back to it ends in a cluster
// with this nori's.
func testOlderNori(t *testing.T, b *bed) {
	const program = "/usr/local/bin/nori-node"
	ours := b.ssh("node1", "sha256sum "+program)
	b.ssh("node1", "cp "+program+" /run/p && echo >> /run/p && mv /run/p "+program+" && systemctl restart nori-agent nori-proxy")
	b.nori("snapshot", "save", "older")
	forget(t, filepath.Join(b.home, "testbeds", b.name, "state.json"), "version", "nori", "madeBy", "programs", "saved")
	if out := b.nori("version"); !strings.Contains(out, "an older one") {
		t.Errorf("nori version: %s", out)
	}
	out := b.nori("--plain", "snapshot", "restore", "older")
	if !strings.Contains(out, `"older" has the programs of an older nori`) {
		t.Errorf("restore said nothing of the programs: %s", out)
	}
	b.ready(10 * time.Second)
	if got := b.ssh("node1", "sha256sum "+program); got != ours {
		t.Errorf("node1 runs %s, want %s", got, ours)
	}
	b.nori("snapshot", "delete", "older")

	var v struct {
		Nori     string
		Testbeds []struct{ Name, Programs string }
	}
	if err := json.Unmarshal([]byte(b.nori("version", "-o", "json")), &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Testbeds) != 1 || v.Testbeds[0].Programs != v.Nori {
		t.Errorf("the versions are %+v", v)
	}
	testCacheInUse(t, b)
}

// forget takes keys out of a JSON file.
func forget(t *testing.T, path string, keys ...string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(content, &fields); err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		delete(fields, k)
	}
	if content, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// testCacheInUse: what a running testbed stands on is never among what may be removed,
// whoever asks.
func testCacheInUse(t *testing.T, b *bed) {
	var kept struct {
		Entries []struct {
			Kind, Name      string
			ThisNori        bool
			Testbeds, InUse []string
		}
	}
	if err := json.Unmarshal([]byte(b.nori("status", "--space", "-o", "json")), &kept); err != nil {
		t.Fatal(err)
	}
	image := ""
	for _, e := range kept.Entries {
		if e.Kind == "machine-image" && len(e.Testbeds) > 0 && e.Testbeds[0] == b.name {
			if image = e.Name; len(e.InUse) < 3 || !e.ThisNori {
				t.Errorf("the image of three machines: %+v", e)
			}
		}
	}
	if image == "" {
		t.Fatalf("no image is the testbed's: %+v", kept)
	}
	// Another home with the same cache, which knows nothing of the testbed.
	c := exec.Command(filepath.Join(repo(t), "bin", "nori"), "prune", "--all", "-o", "json")
	c.Env = append(os.Environ(), "NORI_HOME="+t.TempDir(), "NORI_CACHE="+cache())
	out, err := c.Output()
	if err != nil || !strings.Contains(string(out), `"removed": false`) {
		t.Fatalf("nori prune: %v %s", err, out)
	}
	if strings.Contains(string(out), `"`+image+`"`) {
		t.Errorf("the image under running machines may go: %s", out)
	}
}
