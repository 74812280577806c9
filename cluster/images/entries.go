package images

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/cache"
	"noriter.dev/noriter/provision/seal"
)

// Entries lists what the cache has of container images, and of what they are made from.
func Entries(cacheDir string) ([]cache.Entry, error) {
	dir := filepath.Join(cacheDir, "images")
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, lang.Errorf("listing the cache: %w", "캐시 목록 읽기: %w", err)
	}
	var all []cache.Entry
	for _, n := range names {
		path := filepath.Join(dir, n.Name())
		e := cache.Entry{Kind: cache.Leftover, Name: n.Name(), Paths: []string{path}, MakeLock: filepath.Join(dir, "lock")}
		if fi, err := n.Info(); err == nil {
			e.Made = fi.ModTime()
		}
		switch {
		case n.Name() == "lock":
			continue
		case strings.HasPrefix(n.Name(), "."):
			e.Files = filesIn(path)
		case n.IsDir():
			e.Kind, e.UseLock, e.Files = cache.ContainerImages, filepath.Join(path, useLock), filesIn(path)
			e.Nori = bundleNori(path)
		case strings.HasSuffix(n.Name(), ".tar"):
			e.Kind, e.Paths, e.Files = cache.Packages, []string{path, archiveSeal(path)}, []string{path}
			if s, err := seal.Read(archiveSeal(path)); err == nil {
				e.Nori = s.Nori
			}
		case strings.HasSuffix(n.Name(), archiveSeal("")):
			if _, err := os.Stat(strings.TrimSuffix(path, archiveSeal(""))); err == nil {
				continue // it goes with its archive
			}
		}
		all = append(all, e)
	}
	return all, nil
}

// filesIn are a folder's files, or the file itself.
func filesIn(path string) []string {
	files, err := filepath.Glob(filepath.Join(path, "*"))
	if err != nil || len(files) == 0 {
		return []string{path}
	}
	return files
}

// bundleNori is the one that built a bundle, if it says so.
func bundleNori(dir string) string {
	var b Bundle
	list, err := os.ReadFile(filepath.Join(dir, listName))
	if err != nil || json.Unmarshal(list, &b) != nil {
		return ""
	}
	return b.Nori
}

// Present are the names of the entries that Build would use as they are.
func Present(ctx context.Context, o Options) (names []string) {
	archive := debianArchive(o)
	if lstat(archive) == nil {
		names = append(names, filepath.Base(archive))
	}
	if in, err := gather(ctx, o.filled()); err == nil { // else it would have to be fetched
		names = append(names, in.hash)
	}
	return names
}
