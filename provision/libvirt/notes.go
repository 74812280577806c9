package libvirt

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// note is what is kept of a complete snapshot, in DIR/snapshots/NAME.json. It
// is written when every machine has its part, and taken away first.
type note struct {
	Name     string    `json:"name"`
	Tag      string    `json:"tag"`
	Created  time.Time `json:"created"`
	Machines []string  `json:"machines"`
	Bytes    int64     `json:"bytes"`
}

// maxSnapshotName keeps a note's file name within any file system's limit.
const maxSnapshotName = 64

// checkSnapshotName refuses what would not be a file name.
func checkSnapshotName(name string) error {
	if name == "" || len(name) > maxSnapshotName {
		return fmt.Errorf("snapshot name %q: 1 to %d characters are needed", name, maxSnapshotName)
	}
	for i, r := range name {
		alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alnum && (i == 0 || !strings.ContainsRune("._-", r)) {
			return fmt.Errorf("snapshot name %q: letters, digits and, after the first, . _ - may be in it", name)
		}
	}
	return nil
}

func (p *Provider) notePath(name string) string {
	return filepath.Join(p.dir, "snapshots", name+".json")
}

func (p *Provider) writeNote(n note) error {
	b, err := json.MarshalIndent(n, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Join(p.dir, "snapshots"), 0o700)
	}
	if err == nil {
		err = writeFile(p.notePath(n.Name), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("noting snapshot %s: %w", n.Name, err)
	}
	return nil
}

func (p *Provider) readNote(name string) (note, error) {
	var n note
	b, err := os.ReadFile(p.notePath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return n, fmt.Errorf("there is no snapshot %q%s", name, p.thereIs())
	}
	if err != nil {
		return n, fmt.Errorf("reading snapshot %s: %w", name, err)
	}
	if err := json.Unmarshal(b, &n); err != nil {
		return n, fmt.Errorf("the note of snapshot %s is damaged (%s): %w", name, p.notePath(name), err)
	}
	if n.Name != name || n.Tag == "" || len(n.Machines) == 0 {
		return n, fmt.Errorf("the note of snapshot %s is damaged (%s)", name, p.notePath(name))
	}
	return n, nil
}

// thereIs names the snapshots for a message.
func (p *Provider) thereIs() string {
	notes, err := p.notes()
	if err != nil || len(notes) == 0 {
		return "; there is none at all"
	}
	names := make([]string, len(notes))
	for i, n := range notes {
		names[i] = n.Name
	}
	return "; there is " + strings.Join(names, ", ")
}

// notes reads all notes, oldest snapshot first.
func (p *Provider) notes() ([]note, error) {
	files, err := filepath.Glob(p.notePath("*"))
	if err != nil {
		return nil, fmt.Errorf("reading the snapshots: %w", err)
	}
	var notes []note
	for _, f := range files {
		n, err := p.readNote(strings.TrimSuffix(filepath.Base(f), ".json"))
		if err != nil {
			return nil, err
		}
		notes = append(notes, n)
	}
	slices.SortFunc(notes, func(a, b note) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Name, b.Name))
	})
	return notes, nil
}

func (p *Provider) removeNote(name string) error {
	if err := os.Remove(p.notePath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting snapshot %s: %w", name, err)
	}
	return nil
}

// dropFromSnapshots forgets a machine's part of all snapshots, which goes with
// its disk, and the snapshots that it was all of.
func (p *Provider) dropFromSnapshots(machine string) error {
	notes, err := p.notes()
	if err != nil {
		return err
	}
	for _, n := range notes {
		rest := slices.DeleteFunc(slices.Clone(n.Machines), func(m string) bool { return m == machine })
		switch {
		case len(rest) == len(n.Machines):
		case len(rest) == 0:
			if err := p.removeNote(n.Name); err != nil {
				return err
			}
		default:
			n.Machines = rest
			if err := p.writeNote(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// restoringPath holds the name of the snapshot that is being restored.
func (p *Provider) restoringPath() string { return filepath.Join(p.dir, "restoring") }

func (p *Provider) noteRestoring(name string) error {
	if err := writeFile(p.restoringPath(), []byte(name+"\n")); err != nil {
		return fmt.Errorf("noting the restore: %w", err)
	}
	return nil
}

// restoring gives that name, or nothing.
func (p *Provider) restoring() (string, error) {
	b, err := os.ReadFile(p.restoringPath())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for an interrupted restore: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

func (p *Provider) doneRestoring() error {
	if err := os.Remove(p.restoringPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("noting the end of the restore: %w", err)
	}
	return nil
}
