package nspawn

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/provision/machine"
)

// olderFiles is the folder of a testbed with a machine and a snapshot that a nori before
// format numbers made. mark is put into the files in the place of a number.
func olderFiles(t *testing.T, mark string) *Provider {
	t.Helper()
	p := New(machine.Testbed{Name: "cache1", Dir: t.TempDir()}, "/nowhere", Options{})
	for name, to := range map[string]string{"machine.json": p.machine("node1").recordFile(), "snapshot.json": filepath.Join(p.snapshotDir("mine"), snapshotFile)} {
		b, err := os.ReadFile(filepath.Join("testdata", "format0", name))
		if err != nil {
			t.Fatal(err)
		}
		content := strings.Replace(string(b), "{", "{"+mark, 1)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestOlderFiles(t *testing.T) {
	p := olderFiles(t, "")
	n, err := p.machine("node1").readRecord()
	if err != nil || n.Spec.Address.String() != "10.77.0.11" || n.Spec.CPUs != 1 || n.CPUs != 0 { // which was no limit
		t.Errorf("the machine is %+v, %v", n, err)
	}
	if err := p.machine("node1").writeRecord(n); err != nil {
		t.Fatal(err)
	}
	if n, err = p.machine("node1").readRecord(); err != nil || n.Version != 2 || n.Nori == "" { // an older nori may have it, too
		t.Errorf("written as %+v, %v", n, err)
	}
	all, err := p.Snapshots(t.Context())
	if err != nil || len(all) != 1 || all[0].Name != "mine" || len(all[0].Machines) != 2 {
		t.Errorf("the snapshots are %+v, %v", all, err)
	}
}

// TestNewerFiles: what is not known is neither used nor cleaned up.
func TestNewerFiles(t *testing.T) {
	p := olderFiles(t, `"version": 4, "nori": "v9",`)
	_, machineErr := p.machine("node1").readRecord()
	_, snapshotErr := p.Snapshots(t.Context())
	for _, err := range []error{machineErr, snapshotErr, p.removeUnusedLayers(), p.cleanUp(), p.Save(t.Context(), "other"), p.Restore(t.Context(), "mine"), p.DeleteSnapshot(t.Context(), "mine")} {
		var newer *format.NewerError
		if !errors.As(err, &newer) || !strings.Contains(err.Error(), "nori v9") {
			t.Errorf("got %v", err)
		}
	}
	for _, kept := range []string{p.machine("node1").recordFile(), filepath.Join(p.snapshotDir("mine"), snapshotFile)} {
		if b, err := os.ReadFile(kept); err != nil || !strings.Contains(string(b), "v9") {
			t.Errorf("%s: %s, %v", kept, b, err)
		}
	}
}
