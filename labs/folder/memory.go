package folder

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Open is that of a file system.
func (f *Folder) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	rel, ok := strings.CutPrefix(name, f.name+"/")
	if name == f.name || name == "." {
		rel, ok = ".", true
	}
	if data, there := f.files[rel]; ok && there {
		return &file{info{path.Base(name), int64(len(data)), false}, bytes.NewReader(data)}, nil
	}
	if entries := f.list(rel); ok && len(entries) > 0 {
		if name == "." {
			entries = []fs.DirEntry{fs.FileInfoToDirEntry(info{f.name, 0, true})}
		}
		return &dir{info{path.Base(name), 0, true}, entries}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// list is what lies directly in a folder, by name.
func (f *Folder) list(dir string) (out []fs.DirEntry) {
	prefix := dir + "/"
	if dir == "." {
		prefix = ""
	}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		rest, below := strings.CutPrefix(name, prefix)
		first, _, deeper := strings.Cut(rest, "/")
		if below && !seen[first] {
			seen[first] = true
			entry := info{first, int64(len(f.files[name])), false}
			if deeper {
				entry = info{first, 0, true}
			}
			out = append(out, fs.FileInfoToDirEntry(entry))
		}
	}
	return out
}

// info is what there is to know of a file in memory.
type info struct {
	name string
	size int64
	dir  bool
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.dir }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

// file is one that is open.
type file struct {
	info
	*bytes.Reader
}

func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *file) Size() int64                { return f.info.size }
func (f *file) Close() error               { return nil }

// dir is a folder that is open.
type dir struct {
	info
	left []fs.DirEntry
}

func (d *dir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *dir) Close() error               { return nil }
func (d *dir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: fs.ErrInvalid}
}

// ReadDir gives the next n entries, or all that are left.
func (d *dir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 || n > len(d.left) {
		if n > 0 && len(d.left) == 0 {
			return nil, io.EOF
		}
		n = len(d.left)
	}
	out := d.left[:n:n]
	d.left = d.left[n:]
	return out, nil
}

// Several folders are one file system, each by its name.
type Several []*Folder

// Open opens what is in one of them.
func (s Several) Open(name string) (fs.File, error) {
	if name == "." {
		var entries []fs.DirEntry
		for _, f := range s {
			entries = append(entries, fs.FileInfoToDirEntry(info{f.name, 0, true}))
		}
		return &dir{info{".", 0, true}, entries}, nil
	}
	first, _, _ := strings.Cut(name, "/")
	for _, f := range s {
		if f.name == first {
			return f.Open(name)
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}
