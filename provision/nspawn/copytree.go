package nspawn

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
)

// copier copies a tree with everything that makes a file: owner, mode, times,
// extended attributes, links, devices (an overlay's whiteouts among them) and
// holes. Laid over a tree that is there already, it does what an overlay with
// the source on top would show.
type copier struct {
	// share says which plain files never change in place, by their path in
	// the tree: those become hard links to the source.
	share func(path string, fi fs.FileInfo) bool
	// links finds the copy of a file that has several names.
	links map[inode]string
}

type inode struct{ dev, ino uint64 }

func newCopier(share func(string, fs.FileInfo) bool) *copier {
	return &copier{share: share, links: map[inode]string{}}
}

// tree copies the folder src to dst, which may be there.
func (c *copier) tree(src, dst string) error {
	if err := c.dir(src, dst, ""); err != nil {
		return lang.Errorf("copying %s: %w", "%s 복사: %w", src, err)
	}
	return nil
}

func (c *copier) dir(src, dst, rel string) error {
	fi, err := os.Lstat(src)
	if err != nil {
		return err
	}
	if err := makeDir(src, dst); err != nil {
		return err
	}
	entries, err := os.ReadDir(src)
	if err != nil {
		return err
	}
	for _, e := range entries {
		s, d, r := filepath.Join(src, e.Name()), filepath.Join(dst, e.Name()), filepath.Join(rel, e.Name())
		if e.IsDir() {
			err = c.dir(s, d, r)
		} else {
			err = c.entry(s, d, r)
		}
		if err != nil {
			return err
		}
	}
	return copyMeta(src, dst, fi) // last, as the entries change its times
}

// makeDir makes dst a folder. One that is there is merged into, unless the
// source hides what is below it or something else is in its place.
func makeDir(src, dst string) error {
	old, err := os.Lstat(dst)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return os.Mkdir(dst, 0o700)
	case err != nil:
		return err
	case old.IsDir() && !opaque(src):
		return nil
	}
	if err := os.RemoveAll(dst); err != nil {
		return err
	}
	return os.Mkdir(dst, 0o700)
}

// opaque says that a folder of an overlay's layer hides those below it.
func opaque(dir string) bool {
	b := make([]byte, 1)
	n, err := unix.Lgetxattr(dir, "trusted.overlay.opaque", b)
	return err == nil && n == 1 && b[0] == 'y'
}

func (c *copier) entry(src, dst, rel string) error {
	fi, err := os.Lstat(src)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dst); err != nil {
		return err
	}
	st, err := stat(src)
	if err != nil {
		return err
	}
	id := inode{st.Dev, st.Ino}
	if st.Nlink > 1 {
		if first, ok := c.links[id]; ok {
			return os.Link(first, dst)
		}
		c.links[id] = dst
	}
	switch {
	case fi.Mode().IsRegular() && c.share != nil && c.share(rel, fi):
		return os.Link(src, dst)
	case fi.Mode().IsRegular():
		err = copyContent(src, dst, fi.Size())
	case fi.Mode()&fs.ModeSymlink != 0:
		var to string
		if to, err = os.Readlink(src); err == nil {
			err = os.Symlink(to, dst)
		}
	case fi.Mode()&fs.ModeSocket != 0:
		return nil // whoever listened made it anew at its start
	default:
		err = unix.Mknod(dst, st.Mode, int(st.Rdev))
	}
	if err != nil {
		return lang.Errorf("copying %s: %w", "%s 복사: %w", rel, err)
	}
	return copyMeta(src, dst, fi)
}

func stat(path string) (unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return st, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	return st, nil
}

// copyMeta gives dst the owner, mode, attributes and times of src.
func copyMeta(src, dst string, fi fs.FileInfo) error {
	st, err := stat(src)
	if err != nil {
		return err
	}
	if err := os.Lchown(dst, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if fi.Mode()&fs.ModeSymlink == 0 {
		if err := unix.Chmod(dst, st.Mode&0o7777); err != nil {
			return &fs.PathError{Op: "chmod", Path: dst, Err: err}
		}
	}
	if err := copyAttributes(src, dst); err != nil {
		return err
	}
	times := []unix.Timespec{st.Atim, st.Mtim}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, dst, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "utimens", Path: dst, Err: err}
	}
	return nil
}

// private says which attributes an overlay has to refer to the very file they are on or
// to the layer below it; on a copy they would be wrong. One in a user namespace, as
// containerd's in a machine, has them under another name ("userxattr").
func private(name string) bool {
	_, what, ok := strings.Cut(name, ".overlay.")
	return ok && slices.Contains([]string{"origin", "impure", "nlink", "upper", "uuid"}, what)
}

func copyAttributes(src, dst string) error {
	names, err := attribute(func(b []byte) (int, error) { return unix.Llistxattr(src, b) })
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "listxattr", Path: src, Err: err}
	}
	for name := range strings.SplitSeq(string(names), "\x00") {
		if name == "" || private(name) {
			continue
		}
		v, err := attribute(func(b []byte) (int, error) { return unix.Lgetxattr(src, name, b) })
		if err != nil {
			return &fs.PathError{Op: "getxattr " + name, Path: src, Err: err}
		}
		if err := unix.Lsetxattr(dst, name, v, 0); err != nil {
			return &fs.PathError{Op: "setxattr " + name, Path: dst, Err: err}
		}
	}
	return nil
}

// attribute calls get with a buffer that is large enough.
func attribute(get func([]byte) (int, error)) ([]byte, error) {
	b := make([]byte, 256)
	for {
		n, err := get(b)
		if errors.Is(err, unix.ERANGE) && len(b) < 1<<17 {
			b = make([]byte, 4*len(b))
			continue
		}
		if err != nil {
			return nil, err
		}
		return b[:n], nil
	}
}

// copyContent copies a file's data: by sharing the blocks where the file
// system can, else piece by piece without its holes.
func copyContent(src, dst string, size int64) (err error) {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if size == 0 || unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil {
		return nil
	}
	if err := out.Truncate(size); err != nil {
		return err
	}
	for at := int64(0); at < size; {
		start, err := in.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // only a hole is left
		}
		if err != nil {
			return err
		}
		end, err := in.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := in.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := out.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(out, in, end-start); err != nil {
			return err
		}
		at = end
	}
	return nil
}
