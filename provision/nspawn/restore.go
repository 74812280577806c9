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

	"noriter.dev/noriter/internal/lang"
)

// restoringFile holds the name of the snapshot that all machines are being put
// back to. While it is there, some may be back and others not.
func (p *Provider) restoringFile() string { return filepath.Join(p.dir, "restoring") }

// Restore puts the snapshot's machines back: it switches them off, gives each
// its disk of then, and starts them. Machines made since are left alone. If it is
// interrupted, the next call that changes anything ends it first.
func (p *Provider) Restore(ctx context.Context, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.ensureDisks(ctx); err != nil {
		return err
	}
	if err := p.finishSaves(); err != nil {
		return err
	}
	if !nameForm.MatchString(name) {
		return p.noSnapshot(name)
	}
	snap, err := p.readSnapshot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return p.noSnapshot(name)
	}
	if err != nil {
		return err
	}
	if err := p.dropRemovedMachines(snap); err != nil {
		return err
	}
	if err := p.checkWhole(snap); err != nil {
		return err
	}
	if err := writeJSON(p.restoringFile(), name); err != nil {
		return err
	}
	return p.restore(ctx, snap)
}

// checkWhole looks for all that a restore needs, before anything is given up for it.
func (p *Provider) checkWhole(snap savedSnapshot) error {
	for name, m := range snap.Machines {
		needed := []string{p.containerd(p.snapshotDir(snap.Name), name, m)}
		for _, l := range m.Layers {
			needed = append(needed, p.layerDir(l))
		}
		for _, dir := range needed {
			if _, err := os.Stat(dir); err != nil {
				return &damagedError{lang.Errorf("snapshot %s is damaged: %w", "스냅샷 %s이(가) 손상되었습니다: %w", snap.Name, err)}
			}
		}
	}
	return nil
}

func (p *Provider) restore(ctx context.Context, snap savedSnapshot) error {
	names := slices.Sorted(maps.Keys(snap.Machines))
	err := each(names, func(name string) error {
		m := p.machine(name)
		if err := m.restore(ctx, snap); err != nil {
			return lang.Errorf("putting machine %s back: %w", "머신 %s 되돌리기: %w", name, err)
		}
		if err := m.start(ctx); err != nil {
			return lang.Errorf("starting machine %s: %w", "머신 %s 시작: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return lang.Errorf("restoring snapshot %s: %w", "스냅샷 %s 복원: %w", snap.Name, err)
	}
	if err := os.Remove(p.restoringFile()); err != nil {
		return lang.Errorf("restoring snapshot %s: %w", "스냅샷 %s 복원: %w", snap.Name, err)
	}
	return p.cleanUp() // while the machines boot
}

// restore gives the machine the disk of the snapshot.
func (m *node) restore(ctx context.Context, snap savedSnapshot) error {
	if err := m.stop(ctx); err != nil {
		return err
	}
	if err := m.ensureDisk(ctx); err != nil {
		return err
	}
	for _, d := range []string{m.upper(), m.work(), m.containerd()} {
		if err := moveTo(m.trash(), d); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(m.work(), 0o700); err != nil {
		return err
	}
	then := snap.Machines[m.name]
	if err := mirrorDir(m.p.layerDir(then.Layers[0]), m.upper()); err != nil {
		return err
	}
	saved := m.p.containerd(m.p.snapshotDir(snap.Name), m.name, then)
	share, err := shareContainerd(saved)
	if err != nil {
		return err
	}
	if err := newCopier(share).tree(saved, m.containerd()); err != nil {
		return err
	}
	return m.writeRecord(then)
}

// finishInterrupted takes up what an interrupted call left: a snapshot to be renamed,
// machines standing still, a restore half done, things to throw away.
func (p *Provider) finishInterrupted(ctx context.Context) error {
	if err := p.ensureDisks(ctx); err != nil {
		return err
	}
	if err := p.finishSaves(); err != nil {
		return err
	}
	names, err := p.names()
	if err != nil {
		return err
	}
	if err := p.thawAll(names); err != nil {
		return err
	}
	for _, name := range names {
		if err := p.machine(name).uncover(ctx); err != nil {
			return err
		}
	}
	if err := p.finishRestore(ctx); err != nil {
		return err
	}
	return p.cleanUp()
}

// finishRestore ends a restore that was interrupted. One that can't be ended, since its
// snapshot is gone or damaged, is left to the next Restore: see refuseHalf.
func (p *Provider) finishRestore(ctx context.Context) error {
	name, err := p.pendingRestore()
	if err != nil || name == "" {
		return err
	}
	snap, err := p.readSnapshot(name)
	if errors.Is(err, fs.ErrNotExist) || isDamaged(err) {
		return nil
	}
	if err == nil {
		err = p.dropRemovedMachines(snap)
	}
	if err == nil {
		err = p.restore(ctx, snap)
	}
	if err != nil {
		return lang.Errorf("ending an interrupted restore: %w", "중단된 복원 마무리: %w", err)
	}
	return nil
}

// refuseHalf is the error for machines of which some were put back to a snapshot and
// others were not, where that can't be ended any more.
func (p *Provider) refuseHalf() error {
	name, err := p.pendingRestore()
	if err != nil || name == "" {
		return err
	}
	return lang.Errorf("putting the machines back to snapshot %s was interrupted, and that snapshot is gone or damaged; `nori reset --name %[2]s` puts them back to the start, or `nori down --name %[2]s` and `nori up --name %[2]s` make the testbed anew",
		"머신을 스냅샷 %s(으)로 되돌리다가 중단되었는데, 그 스냅샷이 없거나 손상되었습니다. `nori reset --name %[2]s`로 처음 상태로 되돌리거나, `nori down --name %[2]s`, `nori up --name %[2]s`로 테스트베드를 새로 만드세요",
		name, p.tb.Name)
}

// dropRemovedMachines forgets the machines of a snapshot that were removed since: they
// have nothing to go back. What it keeps of one with a disk went with that, also where
// there is another of the same name now.
func (p *Provider) dropRemovedMachines(snap savedSnapshot) error {
	names, err := p.names()
	if err != nil {
		return err
	}
	maps.DeleteFunc(snap.Machines, func(name string, then record) bool {
		if !slices.Contains(names, name) {
			return true
		}
		now, err := p.machine(name).readRecord()
		return err == nil && now.Disk != then.Disk
	})
	if len(snap.Machines) == 0 {
		return lang.Errorf("no machine of snapshot %s is there any more", "스냅샷 %s의 머신이 하나도 남아 있지 않습니다", snap.Name)
	}
	return nil
}

func (p *Provider) pendingRestore() (string, error) {
	b, err := os.ReadFile(p.restoringFile())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", lang.Errorf("looking for an interrupted restore: %w", "중단된 복원이 있는지 확인: %w", err)
	}
	var name string
	if err := json.Unmarshal(b, &name); err != nil || !nameForm.MatchString(name) {
		return "?", nil // it began, and no one knows with which
	}
	return name, nil
}

// finishSaves ends or undoes the saving of snapshots that was interrupted.
func (p *Provider) finishSaves() error {
	entries, err := os.ReadDir(p.snapshotsDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return lang.Errorf("listing the snapshots: %w", "스냅샷 목록 읽기: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), unfinished)
		if !ok {
			continue
		}
		dir := p.snapshotDir(e.Name())
		if _, err := p.readSnapshot(e.Name()); err != nil {
			if err := p.moveToTrash(dir); err != nil {
				return err
			}
			continue
		}
		if err := p.moveToTrash(p.snapshotDir(name)); err != nil {
			return err
		}
		if err := os.Rename(dir, p.snapshotDir(name)); err != nil {
			return lang.Errorf("ending an interrupted snapshot: %w", "중단된 스냅샷 저장 마무리: %w", err)
		}
	}
	return nil
}

// cleanUp throws away what is of no use any more.
func (p *Provider) cleanUp() error {
	if err := p.finishSaves(); err != nil {
		return err
	}
	if err := p.removeUnusedLayers(); err != nil {
		return err
	}
	trashes, err := p.trashes()
	if err != nil {
		return err
	}
	for _, trash := range trashes {
		if err := removeTree(trash); err != nil {
			return lang.Errorf("emptying the trash: %w", "휴지통 비우기: %w", err)
		}
	}
	return nil
}
