package nspawn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"noriter.dev/noriter/provision/machine"
)

// kept is a snapshot as its file tells it; the file is written last.
type kept struct {
	Name     string          `json:"name"`
	Created  time.Time       `json:"created"`
	Bytes    int64           `json:"bytes"`
	Machines map[string]note `json:"machines"`
}

func (p *Provider) snapshotsDir() string { return filepath.Join(p.dir, "snapshots") }

// snapshotDir holds a snapshot's file and each machine's containerd folder.
func (p *Provider) snapshotDir(name string) string { return filepath.Join(p.snapshotsDir(), name) }

const (
	snapshotFile = "snapshot.json"
	// unfinished starts the name of a snapshot that is being saved.
	unfinished = ".new-"
)

func (k kept) containerd(dir, machine string) string { return filepath.Join(dir, machine) }

// Save keeps all machines' disks under a name. They stand still while what
// changed on them is copied; the state is the one that a power failure would
// leave, which etcd, bolt and ext4 are made for.
func (p *Provider) Save(ctx context.Context, name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%q can't be a snapshot's name: use a-z, 0-9 and inner dashes, 30 at most", name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.resume(ctx); err != nil {
		return err
	}
	if err := p.save(ctx, name); err != nil {
		return errors.Join(fmt.Errorf("saving snapshot %s: %w", name, err), p.tidy())
	}
	return p.tidy()
}

func (p *Provider) save(ctx context.Context, name string) (err error) {
	names, err := p.names()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return errors.New("the testbed has no machines")
	}
	dir := p.snapshotDir(unfinished + name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the snapshot's folder: %w", err)
	}
	snap := kept{Name: name, Created: time.Now().UTC().Truncate(time.Second), Machines: map[string]note{}}
	notes := make([]note, len(names))
	thaw, err := p.freezeAll(ctx, names)
	if err == nil {
		err = each(names, func(name string) (err error) {
			notes[slices.Index(names, name)], err = p.machine(name).saveTo(snap.containerd(dir, name))
			return err
		})
	}
	if err := errors.Join(err, thaw()); err != nil {
		return err
	}
	for i, name := range names {
		snap.Machines[name] = notes[i]
	}
	if snap.Bytes, err = p.ownBytes(snap, dir); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(dir, snapshotFile), snap); err != nil {
		return err
	}
	// From here on the new one is whole. If we die between these two steps,
	// settle takes the second.
	if err := p.discard(p.snapshotDir(name)); err != nil {
		return err
	}
	return os.Rename(dir, p.snapshotDir(name))
}

// freezeAll makes all running machines stand still at about the same moment.
// The function it gives lets them go on, also after an error.
func (p *Provider) freezeAll(ctx context.Context, names []string) (thaw func() error, err error) {
	err = each(names, func(name string) error {
		g, err := p.machine(name).group()
		if err != nil {
			return err
		}
		pids, err := g.pids()
		if err != nil || len(pids) == 0 {
			return err
		}
		return g.freeze(ctx)
	})
	return func() error { return p.thawAll(names) }, err
}

func (p *Provider) thawAll(names []string) error {
	return each(names, func(name string) error {
		g, err := p.machine(name).group()
		if err != nil {
			return err
		}
		return g.thaw()
	})
}

// saveTo copies what is the machine's own.
func (m *node) saveTo(containerd string) (note, error) {
	n, err := m.read()
	if err != nil {
		return note{}, err
	}
	share, err := shareContainerd(m.containerd())
	if err != nil {
		return note{}, err
	}
	if err := newCopier(share).tree(m.containerd(), containerd); err != nil {
		return note{}, err
	}
	n.Layers, err = m.newLayer(n)
	return n, err
}

// ownBytes is what the snapshot takes beyond what machines hold anyway.
func (p *Provider) ownBytes(snap kept, dir string) (int64, error) {
	dirs := []string{dir}
	for _, n := range snap.Machines {
		dirs = append(dirs, p.layerDir(n.Layers[0]))
	}
	var sum int64
	for _, d := range dirs {
		err := filepath.WalkDir(d, func(_ string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			fi, err := e.Info()
			if err != nil {
				return err
			}
			if st, ok := fi.Sys().(*syscall.Stat_t); ok && (e.IsDir() || st.Nlink == 1) {
				sum += st.Blocks * 512
			}
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("measuring the snapshot: %w", err)
		}
	}
	return sum, nil
}

// Snapshots lists the complete snapshots, oldest first.
func (p *Provider) Snapshots(context.Context) ([]machine.Snapshot, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	all, err := p.readSnapshots()
	if err != nil {
		return nil, err
	}
	list := make([]machine.Snapshot, 0, len(all))
	for _, s := range all {
		list = append(list, machine.Snapshot{Name: s.Name, Created: s.Created, Machines: slices.Sorted(maps.Keys(s.Machines)), Bytes: s.Bytes})
	}
	return list, nil
}

// readSnapshots reads the complete snapshots, oldest first: also one whose
// last renaming is still to be done.
func (p *Provider) readSnapshots() ([]kept, error) {
	entries, err := os.ReadDir(p.snapshotsDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing the snapshots: %w", err)
	}
	found := map[string]kept{}
	for _, e := range entries {
		s, err := p.readSnapshot(e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // not complete
		}
		if err != nil {
			return nil, err
		}
		if _, newer := found[s.Name]; !newer || strings.HasPrefix(e.Name(), unfinished) {
			found[s.Name] = s
		}
	}
	all := make([]kept, 0, len(found))
	for _, s := range found {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b kept) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all, nil
}

func (p *Provider) readSnapshot(folder string) (kept, error) {
	var s kept
	path := filepath.Join(p.snapshotDir(folder), snapshotFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return s, fmt.Errorf("reading snapshot %s: %w", folder, err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("reading %s: %w", path, err)
	}
	return s, nil
}

// DeleteSnapshot forgets a snapshot. Machines that were put back to it keep
// what they need of it.
func (p *Provider) DeleteSnapshot(ctx context.Context, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.resume(ctx); err != nil {
		return err
	}
	if !nameForm.MatchString(name) {
		return p.noSnapshot(name)
	}
	if _, err := p.readSnapshot(name); err != nil {
		return p.noSnapshot(name)
	}
	if err := p.discard(p.snapshotDir(name)); err != nil {
		return err
	}
	return p.tidy()
}

// noSnapshot says which there are.
func (p *Provider) noSnapshot(name string) error {
	all, err := p.readSnapshots()
	if err != nil {
		return err
	}
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	return fmt.Errorf("there is no snapshot %q; there are: %s", name, strings.Join(names, ", "))
}
