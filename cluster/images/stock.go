package images

import (
	"context"
	"encoding/json"
	"os"
	"path"
	"path/filepath"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/stock"
)

// stockPath is what a stock calls a build, or the files of Debian's that builds are
// made of: its place in the cache.
func stockPath(at string) string { return path.Join("images", filepath.Base(at)) }

// StockItems are what of a finished build is packed: Debian's files, without which
// nobody can tell that a build fits, and the build. Which nori built it is not part of
// it, nor is its seal: they are its unpacker's.
func (b *Bundle) StockItems(o Options) ([]stock.Item, error) {
	plain := *b
	plain.Nori = ""
	list, err := plain.list()
	return []stock.Item{
		{Path: stockPath(debianArchive(o))},
		{Path: stockPath(b.Dir), Only: []string{listName, allArchive, baseArchive, dnsArchive, appsArchive, seedArchive},
			Instead: map[string][]byte{listName: list}},
	}, err
}

// unpackBundle makes of a stock's entry what buildInto makes.
func unpackBundle(ctx context.Context, o Options, e stock.Entry, work string) error {
	if err := o.Stock.Unpack(ctx, e, work, o.Progress); err != nil {
		return err
	}
	path := filepath.Join(work, listName)
	list, err := os.ReadFile(path)
	var b Bundle
	if err == nil {
		err = json.Unmarshal(list, &b)
	}
	if err != nil {
		return lang.Errorf("reading the list of images: %w", "이미지 목록 읽기: %w", err)
	}
	b.Nori = build.Version()
	if list, err = b.list(); err != nil {
		return err
	}
	return os.WriteFile(path, list, 0o644)
}

// stockedDebian is a stock's entry of Debian's files.
func stockedDebian(ctx context.Context, o Options, e stock.Entry) (*tree, error) {
	dir, err := os.MkdirTemp(filepath.Join(o.CacheDir, "images"), fetchingPrefix)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	archive := filepath.Join(dir, "files.tar")
	if err := o.Stock.Unpack(ctx, e, archive, o.Progress); err != nil {
		return nil, err
	}
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readTree(f, keepAll)
}
