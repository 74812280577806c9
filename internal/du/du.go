// Package du adds up what files take on the disk, as du(1) does: blocks and not
// lengths, each file once however many names it has, and nothing that is mounted
// below.
package du

import (
	"errors"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
)

// Counter counts each file once, in all that is added to it.
type Counter struct{ seen map[id]bool }

type id struct{ dev, ino uint64 }

// Add gives the bytes of a file, or a folder with all in it, that were not counted
// before. What is not there, or goes meanwhile, takes none.
func (c *Counter) Add(path string) (int64, error) {
	if c.seen == nil {
		c.seen = map[id]bool{}
	}
	var sum int64
	err := walk(path, func(_ string, st *unix.Stat_t) {
		if at := (id{st.Dev, st.Ino}); !c.seen[at] {
			c.seen[at] = true
			sum += st.Blocks * 512
		}
	})
	return sum, err
}

// Frees gives the bytes that come free when some files and folders are removed: not
// those of files that have other names elsewhere.
func Frees(paths ...string) (int64, error) {
	type file struct{ names, links, bytes int64 }
	files := map[id]*file{}
	for _, path := range paths {
		err := walk(path, func(_ string, st *unix.Stat_t) {
			at := id{st.Dev, st.Ino}
			if files[at] == nil {
				files[at] = &file{links: int64(st.Nlink), bytes: st.Blocks * 512}
				if st.Mode&unix.S_IFMT == unix.S_IFDIR {
					files[at].links = 1 // the others are of the folders in it
				}
			}
			files[at].names++
		})
		if err != nil {
			return 0, err
		}
	}
	var sum int64
	for _, f := range files {
		if f.names >= f.links {
			sum += f.bytes
		}
	}
	return sum, nil
}

// walk visits what is on the file system of path.
func walk(path string, visit func(string, *unix.Stat_t)) error {
	var top unix.Stat_t
	if err := unix.Lstat(path, &top); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return lang.Errorf("measuring %s: %w", "%s의 크기 재기: %w", path, err)
	}
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil {
			err = unix.Lstat(p, &st)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case st.Dev != top.Dev && d.IsDir():
			return filepath.SkipDir
		case st.Dev != top.Dev:
			return nil
		}
		visit(p, &st)
		return nil
	})
	if err != nil {
		return lang.Errorf("measuring %s: %w", "%s의 크기 재기: %w", path, err)
	}
	return nil
}
