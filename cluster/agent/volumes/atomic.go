package volumes

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The reserved names of a volume that is written atomically. A container sees
// them, and tools that watch a mounted ConfigMap wait for dataLink to move.
const (
	dataLink    = "..data"
	dataLinkTmp = "..data_tmp"
)

// file is one file to be written into a volume.
type file struct {
	data []byte
	mode os.FileMode
	// uid owns the file; -1 means the agent's own user.
	uid int
}

// writeAtomic makes dir show exactly the given files (relative path → content), so
// that whoever reads through the names in dir sees all of the old ones or all of
// the new ones:
//
//	dir/..2026_11_21_09_20_00.123456/key   the files themselves
//	dir/..data -> ..2026_11_21_09_20_00.123456
//	dir/key    -> ..data/key
//
// Only the middle link is ever replaced, by rename(2). A change that changes
// nothing writes nothing. This is AtomicWriter of pkg/volume/util/atomic_writer.go, with
// the same names, which programs know. own is called on everything new before it can be seen.
// It reports whether it wrote.
func writeAtomic(dir string, files map[string]file, own func(path string, info fs.FileInfo) error) (bool, error) {
	for path := range files {
		if err := checkFilePath(path); err != nil {
			return false, err
		}
	}
	old, err := os.Readlink(filepath.Join(dir, dataLink))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("reading which files of %s are current: %w", dir, err)
	}
	if old != "" && same(filepath.Join(dir, old), files) {
		// A crash may have come between the swap and the links.
		return false, linkNames(dir, files, own)
	}
	fresh, err := writeFiles(dir, files, own)
	if err != nil {
		return false, err
	}
	if err := swap(dir, fresh); err != nil {
		return false, errors.Join(err, os.RemoveAll(fresh))
	}
	if err := linkNames(dir, files, own); err != nil {
		return true, err
	}
	return true, sweep(dir, filepath.Base(fresh), files)
}

// checkFilePath refuses what would leave the volume or shadow the reserved names.
func checkFilePath(path string) error {
	switch {
	case path == "" || len(path) > 4096:
		return fmt.Errorf("invalid path: %q must have 1 to 4096 bytes", path)
	case !filepath.IsLocal(path):
		return fmt.Errorf("invalid path: %q must be relative and must not contain '..'", path)
	case strings.HasPrefix(path, ".."):
		return fmt.Errorf("invalid path: %q must not start with '..'", path)
	case filepath.Clean(path) != path || path == ".":
		return fmt.Errorf("invalid path: %q is not in its shortest form", path)
	}
	for part := range strings.SplitSeq(path, "/") {
		if len(part) > 255 {
			return fmt.Errorf("invalid path: %q has a part of more than 255 bytes", path)
		}
	}
	return nil
}

// same reports whether dir holds exactly these files.
func same(dir string, files map[string]file) bool {
	found := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		have, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if want, ok := files[rel]; !ok || !bytes.Equal(have, want.data) {
			return errDiffers
		}
		found++
		return nil
	})
	return err == nil && found == len(files)
}

// errDiffers ends a comparison early.
var errDiffers = errors.New("the files differ")

// writeFiles writes all files into a new directory and gives its path.
func writeFiles(dir string, files map[string]file, own func(string, fs.FileInfo) error) (fresh string, err error) {
	fresh, err = os.MkdirTemp(dir, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return "", fmt.Errorf("making room for new files in %s: %w", dir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(fresh))
		}
	}()
	if err := os.Chmod(fresh, 0o755); err != nil {
		return "", fmt.Errorf("opening %s to all: %w", fresh, err)
	}
	for path, f := range files {
		if err := writeFile(filepath.Join(fresh, path), f); err != nil {
			return "", fmt.Errorf("writing %s: %w", path, err)
		}
	}
	return fresh, filepath.WalkDir(fresh, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return own(path, info)
	})
}

// writeFile writes one file with its mode and owner.
func writeFile(path string, f file) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, f.data, 0o600); err != nil {
		return err
	}
	// Once more, because the umask has taken bits from it.
	if err := os.Chmod(path, f.mode); err != nil {
		return err
	}
	if f.uid >= 0 {
		return os.Chown(path, f.uid, -1)
	}
	return nil
}

// swap lets dataLink point at the new directory, in one step.
func swap(dir, fresh string) error {
	tmp := filepath.Join(dir, dataLinkTmp)
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the link an interrupted update left: %w", err)
	}
	if err := os.Symlink(filepath.Base(fresh), tmp); err != nil {
		return fmt.Errorf("preparing the new data link: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, dataLink)); err != nil {
		return fmt.Errorf("moving the data link: %w", err)
	}
	return nil
}

// linkNames makes the names that a container reads, where they are missing.
func linkNames(dir string, files map[string]file, own func(string, fs.FileInfo) error) error {
	for path := range files {
		top, _, _ := strings.Cut(path, "/")
		link := filepath.Join(dir, top)
		if _, err := os.Readlink(link); err == nil {
			continue
		}
		if err := os.Symlink(filepath.Join(dataLink, top), link); err != nil {
			return fmt.Errorf("linking %s: %w", top, err)
		}
		info, err := os.Lstat(link)
		if err != nil {
			return fmt.Errorf("linking %s: %w", top, err)
		}
		if err := own(link, info); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes names and directories of earlier contents.
func sweep(dir, current string, files map[string]file) error {
	keep := map[string]bool{dataLink: true, current: true}
	for path := range files {
		top, _, _ := strings.Cut(path, "/")
		keep[top] = true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking for old files in %s: %w", dir, err)
	}
	for _, e := range entries {
		old := strings.HasPrefix(e.Name(), "..") || e.Type()&fs.ModeSymlink != 0
		if keep[e.Name()] || !old {
			// Mount points of nested volumes stay.
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("removing old files of %s: %w", dir, err)
		}
	}
	return nil
}
