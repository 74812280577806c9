package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/cache"
)

// Entries lists what the cache has of images and parcels.
func Entries(cacheDir string) ([]cache.Entry, error) {
	images, err := list(filepath.Join(cacheDir, "image"), func(dir, name string) (cache.Entry, bool) {
		if strings.HasPrefix(name, leftoverPrefix) {
			return cache.Entry{Kind: cache.Leftover}, true
		}
		return imageAt(cacheDir, name).entry(), true
	})
	if err != nil {
		return nil, err
	}
	parcels, err := list(filepath.Join(cacheDir, parcelDir), func(dir, name string) (cache.Entry, bool) {
		path := filepath.Join(dir, name)
		switch filepath.Ext(name) {
		case ".ext4":
			fi, err := os.Stat(path)
			if err != nil {
				return cache.Entry{}, false // gone meanwhile
			}
			return cache.Entry{Kind: cache.Parcel, Paths: []string{path, parcelSeal(path)}, Made: fi.ModTime(), Files: []string{path}}, true
		case ".json":
			_, err := os.Stat(strings.TrimSuffix(path, parcelSeal("")))
			return cache.Entry{Kind: cache.Leftover}, err != nil
		}
		return cache.Entry{Kind: cache.Leftover}, true
	})
	return append(images, parcels...), err
}

// list makes an entry of each name in a folder of the cache, but for the lock.
func list(dir string, entry func(dir, name string) (cache.Entry, bool)) ([]cache.Entry, error) {
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, lang.Errorf("listing the cache: %w", "캐시 목록 읽기: %w", err)
	}
	var all []cache.Entry
	for _, n := range names {
		if n.Name() == "lock" {
			continue
		}
		e, ok := entry(dir, n.Name())
		if !ok {
			continue
		}
		e.Name, e.MakeLock = n.Name(), filepath.Join(dir, "lock")
		if len(e.Paths) == 0 {
			e.Paths = []string{filepath.Join(dir, n.Name())}
		}
		all = append(all, e)
	}
	return all, nil
}

// entry describes an image. Of one whose manifest can't be read that is all there is
// to say.
func (i Image) entry() cache.Entry {
	e := cache.Entry{
		Kind: cache.MachineImage, UseLock: filepath.Join(i.Dir, useLock),
		Layer: i.Root, Files: []string{i.Disk, i.Kernel, i.Initrd},
	}
	if m, err := i.Manifest(); err == nil {
		e.Nori, e.Made = m.Nori, m.Built
	}
	return e
}
