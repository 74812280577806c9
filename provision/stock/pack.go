package stock

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
)

// newest is the latest time that a file in an archive has. What a build has made is
// newer, and so the same content gives the same bytes whenever it was made; what came
// out of older packages keeps its own time.
var newest = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// window is how far back the packer looks for what it has seen: container archives
// hold the same layers more than once, tens of MiB apart.
const window = 128 << 20

// capability is what a tar file calls the extended attribute in which a program has
// privileges of its own. Other attributes (SELinux's, an overlay's) are the packing
// host's affair.
const (
	xattrPrefix = "SCHILY.xattr."
	capability  = xattrPrefix + "security.capability"
)

// Item is an entry of a cache that is to be packed.
type Item struct {
	// Path is where the cache has it: a folder, or a file.
	Path string
	// Only names what of the folder is packed; empty means all of it. Except are paths
	// below it that are not.
	Only, Except []string
	// Instead is what files of it shall hold.
	Instead map[string][]byte
}

// Pack makes a stock in a folder. The same content gives the same bytes.
func Pack(ctx context.Context, dir, version, cache string, items ...Item) (Stock, error) {
	s := Stock{Dir: dir, Version: version}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return s, lang.Errorf("making a folder for the images: %w", "이미지 폴더 만들기: %w", err)
	}
	for _, item := range items {
		e := Entry{Path: item.Path, File: strings.TrimSuffix(strings.ReplaceAll(item.Path, "/", "-"), ".tar") + ".tar.zst"}
		p := packer{ctx: ctx, from: filepath.Join(cache, item.Path), Item: item, links: map[inode]string{}}
		if err := e.pack(&p, filepath.Join(dir, e.File)); err != nil {
			return s, lang.Errorf("packing %s: %w", "%s 묶기: %w", item.Path, err)
		}
		s.Entries = append(s.Entries, e)
	}
	list, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return s, err
	}
	return s, os.WriteFile(filepath.Join(dir, listName), append(list, '\n'), 0o644)
}

// pack writes the archive and notes its checksum and sizes.
func (e *Entry) pack(p *packer, to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	// One goroutine, whatever the number of processors: the same bytes everywhere.
	z, err := zstd.NewWriter(io.MultiWriter(f, sum), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(window))
	if err != nil {
		return err
	}
	p.out = tar.NewWriter(z)
	if err := p.walk(); err != nil {
		return err
	}
	if err := errors.Join(p.out.Close(), z.Close()); err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	e.SHA256, e.Size, e.Unpacked = hex.EncodeToString(sum.Sum(nil)), st.Size(), p.bytes
	return f.Close()
}

type inode struct{ dev, ino uint64 }

// packer writes a tree: sorted, with numbers for owners and one time for all.
type packer struct {
	Item
	ctx   context.Context
	out   *tar.Writer
	from  string
	links map[inode]string // the first name of a file that has several
	bytes int64
}

func (p *packer) walk() error {
	return filepath.WalkDir(p.from, func(path string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, p.ctx.Err()); err != nil {
			return err
		}
		name, err := filepath.Rel(p.from, path)
		if err != nil {
			return err
		}
		if p.leaves(name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return p.add(path, name, info)
	})
}

// leaves says whether a path of the item is left out.
func (i Item) leaves(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	return name != "." && len(i.Only) > 0 && !slices.Contains(i.Only, top) || slices.Contains(i.Except, name)
}

func (p *packer) add(path, name string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: its owner is not known", path)
	}
	if info.Mode()&fs.ModeSocket != 0 {
		return nil // nobody listens any more
	}
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	h.Name, h.Uname, h.Gname, h.Format = name, "", "", tar.FormatPAX
	h.ModTime, h.AccessTime, h.ChangeTime = info.ModTime().Truncate(time.Second), time.Time{}, time.Time{}
	if h.ModTime.After(newest) {
		h.ModTime = newest
	}
	if info.IsDir() {
		h.Name += "/"
	}
	if first, again := p.links[inode{st.Dev, st.Ino}]; again && !info.IsDir() {
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
		return p.out.WriteHeader(h)
	}
	p.links[inode{st.Dev, st.Ino}] = name
	if info.Mode().IsRegular() {
		if h.PAXRecords, err = capabilities(path); err != nil {
			return err
		}
	}
	instead, replaced := p.Instead[name]
	if replaced {
		h.Size = int64(len(instead))
	}
	if err := p.out.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
		return err
	}
	p.bytes += h.Size
	if replaced {
		_, err := p.out.Write(instead)
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(p.out, f)
	return err
}

// capabilities are a program's privileges, if it has some (capabilities(7)).
func capabilities(path string) (map[string]string, error) {
	value := make([]byte, 64)
	n, err := unix.Lgetxattr(path, strings.TrimPrefix(capability, xattrPrefix), value)
	switch {
	case errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the capabilities of %s: %w", path, err)
	}
	return map[string]string{capability: string(value[:n])}, nil
}
