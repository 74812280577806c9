package nspawn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// restoring holds the name of the snapshot that all machines are being put
// back to. While it is there, some may be back and others not.
func (p *Provider) restoring() string { return filepath.Join(p.dir, "restoring") }

// Restore puts the snapshot's machines back: it switches them off, gives each
// its disk of then, and starts them. Machines made since are left alone. If it is interrupted, the next call that changes
// anything ends it first.
func (p *Provider) Restore(ctx context.Context, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.settle(); err != nil {
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
	if err := p.onlyThere(snap); err != nil {
		return err
	}
	if err := writeJSON(p.restoring(), name); err != nil {
		return err
	}
	return p.restore(ctx, snap)
}

func (p *Provider) restore(ctx context.Context, snap kept) error {
	names := slices.Sorted(maps.Keys(snap.Machines))
	err := each(names, func(name string) error {
		m := p.machine(name)
		if err := m.restore(ctx, snap); err != nil {
			return fmt.Errorf("putting machine %s back: %w", name, err)
		}
		if err := m.start(ctx); err != nil {
			return fmt.Errorf("starting machine %s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("restoring snapshot %s: %w", snap.Name, err)
	}
	if err := os.Remove(p.restoring()); err != nil {
		return fmt.Errorf("restoring snapshot %s: %w", snap.Name, err)
	}
	return p.tidy() // while the machines boot
}

// restore gives the machine the disk of the snapshot.
func (m *node) restore(ctx context.Context, snap kept) error {
	if err := m.stop(ctx); err != nil {
		return err
	}
	for _, d := range []string{m.upper(), m.work(), m.containerd()} {
		if err := m.p.discard(d); err != nil {
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
	kept := snap.containerd(m.p.snapshotDir(snap.Name), m.name)
	share, err := shareContainerd(kept)
	if err != nil {
		return err
	}
	if err := newCopier(share).tree(kept, m.containerd()); err != nil {
		return err
	}
	return writeJSON(m.noteFile(), then)
}

// resume takes up what an interrupted call left: a snapshot to be renamed,
// machines standing still, a restore half done, things to throw away.
func (p *Provider) resume(ctx context.Context) error {
	if err := p.settle(); err != nil {
		return err
	}
	names, err := p.names()
	if err != nil {
		return err
	}
	if err := p.thawAll(names); err != nil {
		return err
	}
	name, err := p.pendingRestore()
	if err != nil {
		return err
	}
	if name != "" {
		snap, err := p.readSnapshot(name)
		if err == nil {
			err = p.onlyThere(snap)
		}
		if err != nil {
			return fmt.Errorf("ending an interrupted restore: %w", err)
		}
		if err := p.restore(ctx, snap); err != nil {
			return fmt.Errorf("ending an interrupted restore: %w", err)
		}
	}
	return p.tidy()
}

// onlyThere forgets the machines of a snapshot that were removed since: they
// have nothing to go back.
func (p *Provider) onlyThere(snap kept) error {
	names, err := p.names()
	if err != nil {
		return err
	}
	maps.DeleteFunc(snap.Machines, func(name string, _ note) bool { return !slices.Contains(names, name) })
	if len(snap.Machines) == 0 {
		return fmt.Errorf("no machine of snapshot %s is there any more", snap.Name)
	}
	return nil
}

func (p *Provider) pendingRestore() (string, error) {
	b, err := os.ReadFile(p.restoring())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for an interrupted restore: %w", err)
	}
	return strings.Trim(strings.TrimSpace(string(b)), `"`), nil
}

// settle ends or undoes the saving of snapshots that was interrupted.
func (p *Provider) settle() error {
	entries, err := os.ReadDir(p.snapshotsDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("listing the snapshots: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), unfinished)
		if !ok {
			continue
		}
		dir := p.snapshotDir(e.Name())
		if _, err := os.Stat(filepath.Join(dir, snapshotFile)); err != nil {
			if err := p.discard(dir); err != nil {
				return err
			}
			continue
		}
		if err := p.discard(p.snapshotDir(name)); err != nil {
			return err
		}
		if err := os.Rename(dir, p.snapshotDir(name)); err != nil {
			return fmt.Errorf("ending an interrupted snapshot: %w", err)
		}
	}
	return nil
}

// tidy throws away what is of no use any more.
func (p *Provider) tidy() error {
	if err := p.settle(); err != nil {
		return err
	}
	if err := p.collectLayers(); err != nil {
		return err
	}
	if err := removeTree(p.trashDir()); err != nil {
		return fmt.Errorf("emptying the trash: %w", err)
	}
	return nil
}
