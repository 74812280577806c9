package libvirt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/format"
)

// olderRecord is what was kept of a snapshot before format numbers.
const olderRecord = `{
  "name": "start",
  "tag": "nori-0a1b2c3d4e5f",
  "created": "2026-11-29T14:27:12.5Z",
  "machines": ["control", "node1"],
  "bytes": 734003200
}`

func TestFormatsOfSnapshotRecords(t *testing.T) {
	p := &Provider{dir: t.TempDir()}
	keep := func(content string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(p.recordPath("start")), 0o700), os.WriteFile(p.recordPath("start"), []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	keep(olderRecord)
	n, err := p.readRecord("start")
	if err != nil || n.Tag != "nori-0a1b2c3d4e5f" || len(n.Machines) != 2 || n.Bytes != 700<<20 {
		t.Errorf("read as %+v, %v", n, err)
	}
	if err := p.writeRecord(n); err != nil {
		t.Fatal(err)
	}
	if n, err = p.readRecord("start"); err != nil || n.Version != snapshotVersion || n.Nori == "" || n.Tag != "nori-0a1b2c3d4e5f" {
		t.Errorf("written as %+v, %v", n, err)
	}
	keep(strings.Replace(olderRecord, "{", `{"version": 2, "nori": "v9",`, 1))
	var newer *format.NewerError
	if _, err := p.records(); !errors.As(err, &newer) || !strings.Contains(err.Error(), "nori v9") {
		t.Errorf("a newer one: %v", err)
	}
}
