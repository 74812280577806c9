package nspawn

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// A snapshot keeps the changes of a machine's root as a layer. Going back
// stacks an empty folder upon the layer, so nothing is copied and the layer
// stays as it is; a layer lives as long as a machine or a snapshot uses it.

// maxLayers is how many may lie upon each other; a snapshot that would have
// more merges them.
const maxLayers = 3

func (p *Provider) layersDir() string         { return filepath.Join(p.dir, "layers") }
func (p *Provider) layerDir(id string) string { return filepath.Join(p.layersDir(), id) }

// newLayer copies the machine's own folder into a layer and gives the stack
// that stands for the machine's root.
func (m *node) newLayer(n note) ([]string, error) {
	if err := os.MkdirAll(m.p.layersDir(), 0o700); err != nil {
		return nil, fmt.Errorf("making the layers' folder: %w", err)
	}
	dir, err := os.MkdirTemp(m.p.layersDir(), m.name+"-")
	if err != nil {
		return nil, fmt.Errorf("making a layer: %w", err)
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

// collectLayers removes the layers that no machine and no snapshot uses.
func (p *Provider) collectLayers() error {
	used := map[string]bool{}
	names, err := p.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		n, err := p.machine(name).read()
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
		for _, m := range s.Machines {
			for _, l := range m.Layers {
				used[l] = true
			}
		}
	}
	entries, err := os.ReadDir(p.layersDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("listing the layers: %w", err)
	}
	for _, e := range entries {
		if !used[e.Name()] {
			if err := os.RemoveAll(p.layerDir(e.Name())); err != nil {
				return fmt.Errorf("removing layer %s: %w", e.Name(), err)
			}
		}
	}
	return nil
}
