package nspawn

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// savedSnapshot is a snapshot as its file tells it; the file is written last.
type savedSnapshot struct {
	// Version is the format of the snapshot, and Nori the one that saved it.
	Version  int               `json:"version"`
	Nori     string            `json:"nori"`
	Name     string            `json:"name"`
	Created  time.Time         `json:"created"`
	Bytes    int64             `json:"bytes"`
	Machines map[string]record `json:"machines"`

	// damaged says that nothing but the name is known.
	damaged bool
}

func (p *Provider) snapshotsDir() string { return filepath.Join(p.dir, "snapshots") }

// snapshotDir holds a snapshot's file and each machine's containerd folder.
func (p *Provider) snapshotDir(name string) string { return filepath.Join(p.snapshotsDir(), name) }

const (
	// snapshotVersion is the format of snapshots; before 1 there was no number, 2 brought
	// what recordVersion 2 did.
	snapshotVersion = 2
	snapshotFile    = "snapshot.json"
	// unfinished starts the name of a snapshot that is being saved.
	unfinished = ".new-"
)

// containerd is where a snapshot in a folder has containerd's of a machine: with a disk,
// beside the layer on that.
func (p *Provider) containerd(dir, machine string, n record) string {
	if n.Disk != "" && len(n.Layers) > 0 {
		return p.layerDir(n.Layers[0]) + besideLayer
	}
	return filepath.Join(dir, machine)
}

// Save keeps all machines' disks under a name. They stand still while what
// changed on them is copied; the state is the one that a power failure would
// leave, which etcd, bolt and ext4 are made for.
func (p *Provider) Save(ctx context.Context, name string) error {
	if !nameForm.MatchString(name) {
		return lang.Errorf("%q can't be a snapshot's name: use a-z, 0-9 and inner dashes, 30 at most",
			"%q은(는) 스냅샷 이름으로 쓸 수 없습니다: a-z, 0-9와 가운데의 붙임표(-)만으로 30자까지 쓰세요", name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.finishInterrupted(ctx); err != nil {
		return err
	}
	if err := p.save(ctx, name); err != nil {
		return errors.Join(lang.Errorf("saving snapshot %s: %w", "스냅샷 %s 저장: %w", name, err), p.cleanUp())
	}
	return p.cleanUp()
}

func (p *Provider) save(ctx context.Context, name string) (err error) {
	names, err := p.names()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return lang.Errorf("the testbed has no machines", "테스트베드에 머신이 없습니다")
	}
	dir := p.snapshotDir(unfinished + name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return lang.Errorf("making the snapshot's folder: %w", "스냅샷 폴더 만들기: %w", err)
	}
	snap := savedSnapshot{
		Version: snapshotVersion, Nori: build.Version(), Name: name, Created: time.Now().UTC().Truncate(time.Second), Machines: map[string]record{},
	}
	records := make([]record, len(names))
	thaw, err := p.freezeAll(ctx, names)
	if err == nil {
		err = each(names, func(name string) (err error) {
			records[slices.Index(names, name)], err = p.machine(name).saveTo(dir)
			return err
		})
	}
	if err := errors.Join(err, thaw()); err != nil {
		return err
	}
	for i, name := range names {
		snap.Machines[name] = records[i]
	}
	if snap.Bytes, err = p.ownBytes(snap, dir); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(dir, snapshotFile), snap); err != nil {
		return err
	}
	// From here on the new one is whole. If we die between these two steps,
	// finishSaves takes the second.
	if err := p.moveToTrash(p.snapshotDir(name)); err != nil {
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
func (m *node) saveTo(dir string) (record, error) {
	n, err := m.readRecord()
	if err != nil {
		return record{}, err
	}
	if n.Layers, err = m.saveLayer(n); err != nil {
		return record{}, err
	}
	share, err := shareContainerd(m.containerd())
	if err != nil {
		return record{}, err
	}
	return n, newCopier(share).tree(m.containerd(), m.p.containerd(dir, m.name, n))
}

// ownBytes is what the snapshot takes beyond what machines hold anyway.
func (p *Provider) ownBytes(snap savedSnapshot, dir string) (int64, error) {
	dirs := []string{dir}
	for name, n := range snap.Machines {
		dirs = append(dirs, p.layerDir(n.Layers[0]))
		if n.Disk != "" {
			dirs = append(dirs, p.containerd(dir, name, n))
		}
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
			return 0, lang.Errorf("measuring the snapshot: %w", "스냅샷의 크기 재기: %w", err)
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
		list = append(list, machine.Snapshot{Name: s.Name, Created: s.Created, Machines: slices.Sorted(maps.Keys(s.Machines)), Bytes: s.Bytes, Damaged: s.damaged})
	}
	return list, nil
}

// readSnapshots reads the complete snapshots, oldest first: also one whose
// last renaming is still to be done.
func (p *Provider) readSnapshots() ([]savedSnapshot, error) {
	entries, err := os.ReadDir(p.snapshotsDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, lang.Errorf("listing the snapshots: %w", "스냅샷 목록 읽기: %w", err)
	}
	found := map[string]savedSnapshot{}
	for _, e := range entries {
		s, err := p.readSnapshot(e.Name())
		if errors.Is(err, fs.ErrNotExist) || isDamaged(err) && strings.HasPrefix(e.Name(), unfinished) {
			continue // not complete
		}
		if isDamaged(err) {
			s = savedSnapshot{Name: e.Name(), damaged: true}
		} else if err != nil {
			return nil, err
		}
		if _, newer := found[s.Name]; !newer || strings.HasPrefix(e.Name(), unfinished) {
			found[s.Name] = s
		}
	}
	all := make([]savedSnapshot, 0, len(found))
	for _, s := range found {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b savedSnapshot) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all, nil
}

func (p *Provider) readSnapshot(folder string) (savedSnapshot, error) {
	var s savedSnapshot
	path := filepath.Join(p.snapshotDir(folder), snapshotFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return s, lang.Errorf("reading snapshot %s: %w", "스냅샷 %s 읽기: %w", folder, err)
	}
	err = json.Unmarshal(b, &s)
	if err == nil && (s.Name != strings.TrimPrefix(folder, unfinished) || !s.hasLayers()) {
		err = lang.Errorf("it is not of this snapshot", "이 스냅샷의 것이 아닙니다")
	}
	if err != nil {
		return s, &damagedError{lang.Errorf("the record of snapshot %s is damaged (%s): %w", "스냅샷 %s의 기록이 손상되었습니다(%s): %w", folder, path, err)}
	}
	return s, format.Check(lang.Textf("the snapshot %q", "스냅샷 %q", s.Name), s.Version, snapshotVersion, s.Nori)
}

// hasLayers says that there is a disk for each of its machines.
func (s savedSnapshot) hasLayers() bool {
	for _, m := range s.Machines {
		if len(m.Layers) == 0 {
			return false
		}
	}
	return len(s.Machines) > 0
}

// DeleteSnapshot forgets a snapshot. Machines that were put back to it keep
// what they need of it.
func (p *Provider) DeleteSnapshot(ctx context.Context, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.finishInterrupted(ctx); err != nil {
		return err
	}
	if !nameForm.MatchString(name) {
		return p.noSnapshot(name)
	}
	if _, err := p.readSnapshot(name); err != nil && !isDamaged(err) {
		return p.noSnapshot(name)
	}
	if err := p.moveToTrash(p.snapshotDir(name)); err != nil {
		return err
	}
	return p.cleanUp()
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
	return lang.Errorf("there is no snapshot %q; there are: %s", "스냅샷 %q이(가) 없습니다; 있는 것: %s", name, strings.Join(names, ", "))
}
