package libvirt

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
)

// snapshotRecord is what is kept of a complete snapshot, in
// DIR/snapshots/NAME.json. It is written when every machine has its part, and
// removed before any of them loses it.
type snapshotRecord struct {
	// Version is the format of the snapshot, and Nori the one that saved it.
	Version  int       `json:"version"`
	Nori     string    `json:"nori"`
	Name     string    `json:"name"`
	Tag      string    `json:"tag"`
	Created  time.Time `json:"created"`
	Machines []string  `json:"machines"`
	Bytes    int64     `json:"bytes"`
}

// maxSnapshotName keeps a record's file name within any file system's limit.
const maxSnapshotName = 64

// checkSnapshotName refuses what would not be a file name.
func checkSnapshotName(name string) error {
	if name == "" || len(name) > maxSnapshotName {
		return lang.Errorf("snapshot name %q: 1 to %d characters are needed", "스냅샷 이름 %q: 1~%d자여야 합니다", name, maxSnapshotName)
	}
	for i, r := range name {
		alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alnum && (i == 0 || !strings.ContainsRune("._-", r)) {
			return lang.Errorf("snapshot name %q: letters, digits and, after the first, . _ - may be in it",
				"스냅샷 이름 %q: 영문자와 숫자만 쓸 수 있고, 둘째 글자부터는 . _ -도 쓸 수 있습니다", name)
		}
	}
	return nil
}

func (p *Provider) recordPath(name string) string {
	return filepath.Join(p.dir, "snapshots", name+".json")
}

// snapshotVersion is the format of snapshots; before 1 there was no number.
const snapshotVersion = 1

func (p *Provider) writeRecord(n snapshotRecord) error {
	n.Version, n.Nori = snapshotVersion, build.Version()
	b, err := json.MarshalIndent(n, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Join(p.dir, "snapshots"), 0o700)
	}
	if err == nil {
		err = writeFile(p.recordPath(n.Name), append(b, '\n'))
	}
	if err != nil {
		return lang.Errorf("noting snapshot %s: %w", "스냅샷 %s 기록: %w", n.Name, err)
	}
	return nil
}

func (p *Provider) readRecord(name string) (snapshotRecord, error) {
	var n snapshotRecord
	b, err := os.ReadFile(p.recordPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return n, lang.Errorf("there is no snapshot %q%s", "스냅샷 %q이(가) 없습니다%s", name, p.thereIs())
	}
	if err != nil {
		return n, lang.Errorf("reading snapshot %s: %w", "스냅샷 %s 읽기: %w", name, err)
	}
	err = json.Unmarshal(b, &n)
	if err == nil && (n.Name != name || n.Tag == "" || len(n.Machines) == 0) {
		err = lang.Errorf("it is not of this snapshot", "이 스냅샷의 것이 아닙니다")
	}
	if newer := format.Check(lang.Textf("the snapshot %q", "스냅샷 %q", name), n.Version, snapshotVersion, n.Nori); newer != nil {
		return n, newer
	}
	if err != nil {
		return n, &damagedRecord{lang.Errorf("the record of snapshot %s is damaged (%s): %w",
			"스냅샷 %s의 기록이 손상되었습니다(%s): %w", name, p.recordPath(name), err)}
	}
	return n, nil
}

// damagedRecord is a record that a crash of the host or a person has damaged.
type damagedRecord struct{ error }

// Unwrap gives the error with its cause.
func (e *damagedRecord) Unwrap() error { return e.error }

// damaged says that nothing but the name is known.
func (n snapshotRecord) damaged() bool { return n.Tag == "" }

// thereIs names the snapshots for a message.
func (p *Provider) thereIs() string {
	records, err := p.records()
	if err != nil || len(records) == 0 {
		return lang.T("; there is none at all", "; 스냅샷이 하나도 없습니다")
	}
	names := make([]string, len(records))
	for i, n := range records {
		names[i] = n.Name
	}
	return lang.T("; there is ", "; 있는 것: ") + strings.Join(names, ", ")
}

// records reads all records, oldest snapshot first.
func (p *Provider) records() ([]snapshotRecord, error) {
	files, err := filepath.Glob(p.recordPath("*"))
	if err != nil {
		return nil, lang.Errorf("reading the snapshots: %w", "스냅샷 목록 읽기: %w", err)
	}
	var records []snapshotRecord
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		n, err := p.readRecord(name)
		var damaged *damagedRecord
		if errors.As(err, &damaged) { // the others must not suffer from it
			n = snapshotRecord{Name: name}
		} else if err != nil {
			return nil, err
		}
		records = append(records, n)
	}
	slices.SortFunc(records, func(a, b snapshotRecord) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Name, b.Name))
	})
	return records, nil
}

func (p *Provider) removeRecord(name string) error {
	if err := os.Remove(p.recordPath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return lang.Errorf("forgetting snapshot %s: %w", "스냅샷 %s 삭제: %w", name, err)
	}
	return nil
}

// removeFromSnapshots forgets a machine's part of all snapshots, which goes with
// its disk, and the snapshots that it was all of.
func (p *Provider) removeFromSnapshots(machine string) error {
	records, err := p.records()
	if err != nil {
		return err
	}
	for _, n := range records {
		rest := slices.DeleteFunc(slices.Clone(n.Machines), func(m string) bool { return m == machine })
		switch {
		case len(rest) == len(n.Machines):
		case len(rest) == 0:
			if err := p.removeRecord(n.Name); err != nil {
				return err
			}
		default:
			n.Machines = rest
			if err := p.writeRecord(n); err != nil {
				return err
			}
		}
	}
	return nil
}
