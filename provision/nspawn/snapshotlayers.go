package nspawn

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"noriter.dev/noriter/internal/lang"
)

// A snapshot keeps the changes of a machine's root as a layer. Going back
// stacks an empty folder upon the layer, so nothing is copied and the layer
// stays as it is; a layer lives as long as a machine or a snapshot uses it.

// maxLayers is how many may lie upon each other; a snapshot that would have
// more merges them.
const maxLayers = 3

// besideLayer ends the name of the folder that has containerd's files of a layer's time, on
// a machine's disk.
const besideLayer = ".containerd"

// layersDir is where a machine's layers are: on its disk, or with those of all others.
func (m *node) layersDir() string {
	if m.hasDisk() {
		return filepath.Join(m.diskDir(), "layers")
	}
	return filepath.Join(m.p.dir, "layers")
}

// layerDir finds a layer, whose name begins with that of its machine.
func (p *Provider) layerDir(id string) string {
	name, _, _ := cutLast(id, "-")
	return filepath.Join(p.machine(name).layersDir(), id)
}

// allLayers are the folders with layers.
func (p *Provider) allLayers(names []string) []string {
	dirs := []string{filepath.Join(p.dir, "layers")}
	for _, name := range names {
		dirs = append(dirs, p.machine(name).layersDir())
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// saveLayer copies the machine's own folder into a layer and gives the stack
// that stands for the machine's root.
func (m *node) saveLayer(n record) ([]string, error) {
	if err := os.MkdirAll(m.layersDir(), 0o700); err != nil {
		return nil, lang.Errorf("making the layers' folder: %w", "레이어 폴더 만들기: %w", err)
	}
	dir, err := os.MkdirTemp(m.layersDir(), m.name+"-")
	if err != nil {
		return nil, lang.Errorf("making a layer: %w", "레이어 만들기: %w", err)
	}
	stack := append([]string{filepath.Base(dir)}, n.Layers...)
	sources := []string{m.upper()}
	if len(stack) > maxLayers { // merge, from the lowest upwards
		for _, l := range n.Layers {
			sources = append(sources, m.p.layerDir(l))
		}
		slices.Reverse(sources)
		stack = stack[:1]
	}
	for _, src := range sources {
		if err := newCopier(shareBinaries).tree(src, dir); err != nil {
			return nil, err
		}
	}
	return stack, nil
}

// removeUnusedLayers removes the layers that no machine and no snapshot uses.
func (p *Provider) removeUnusedLayers() error {
	used := map[string]bool{}
	names, err := p.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		n, err := p.machine(name).readRecord()
		if isDamaged(err) {
			return nil // it may use any of them
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, l := range n.Layers {
			used[l] = true
		}
	}
	snapshots, err := p.readSnapshots()
	if err != nil {
		return err
	}
	for _, s := range snapshots {
		if s.damaged {
			return nil // it may use any of them, too
		}
		for _, m := range s.Machines {
			for _, l := range m.Layers {
				used[l] = true
			}
			if m.Disk != "" {
				used[m.Layers[0]+besideLayer] = true
			}
		}
	}
	for _, dir := range p.allLayers(names) {
		if err := removeAllBut(dir, used); err != nil {
			return err
		}
	}
	return nil
}

// removeAllBut removes the layers of a folder that nobody uses.
func removeAllBut(dir string, used map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return lang.Errorf("listing the layers: %w", "레이어 목록 읽기: %w", err)
	}
	for _, e := range entries {
		if used[e.Name()] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return lang.Errorf("removing layer %s: %w", "레이어 %s 제거: %w", e.Name(), err)
		}
	}
	return nil
}
