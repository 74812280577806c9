package image

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/stock"
)

// Stocked says whether a stock has the image of the present recipe.
func Stocked(s stock.Stock) bool {
	_, ok := s.Find(stockPath(PresentID()))
	return ok
}

// stockPath is what a stock calls an image: its place in the cache.
func stockPath(id string) string { return path.Join("image", id) }

// The files of a root that say how the host reaches Debian's packages, as mmdebstrap
// writes them: the mirror and the proxies of whoever made a package are nobody else's.
const (
	aptSources = "etc/apt/sources.list"
	aptConfig  = "etc/apt/apt.conf.d/99mmdebstrap"
)

// StockItem is what of an image is packed: the root, once, and what a virtual machine
// needs to boot. The virtual machines' disk is made of the root where it is wanted, and
// the manifest is written anew.
func (i Image) StockItem() stock.Item {
	return stock.Item{
		Path: stockPath(i.ID), Only: []string{"root", "vmlinuz", "initrd"},
		Except: []string{path.Join("root", aptSources), path.Join("root", aptConfig)},
	}
}

// unpack makes of a stock's entry what a build makes.
func unpack(ctx context.Context, o Options, r recipe, e stock.Entry, work string) error {
	if err := o.Stock.Unpack(ctx, e, work, o.Progress); err != nil {
		return err
	}
	proxies, sources, err := HostApt(ctx, r.Suite)
	if err != nil {
		return err
	}
	config := strings.Join(slices.Concat(aptOptions, proxies), ";\n") + ";\n"
	for name, content := range map[string]string{aptConfig: config, aptSources: strings.Join(sources, "\n") + "\n"} {
		if err := os.WriteFile(filepath.Join(work, "root", name), []byte(content), 0o644); err != nil {
			return lang.Errorf("writing %s: %w", "%s 쓰기: %w", name, err)
		}
	}
	return nil
}
