// Package release makes what is handed out: the programs with the images that they
// would otherwise build, completion, manual pages, a list of all that is inside and
// the licences of it, as one tree that is packed into an archive here, and into a
// Debian package by nfpm (see .ci/package).
//
// The same commit and the same packages of Debian give the same bytes: files are
// sorted, belong to root, have one time and one of two modes, and nothing tells where
// or when it was made.
package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/stock"
)

// Options says what to make a release of.
type Options struct {
	// Repo is the top of the source tree, Programs the folder of what was built of it.
	Repo, Programs string
	// Cache is where images are kept.
	Cache string
	// Tree is the folder that becomes /usr, or wherever somebody unpacks the archive.
	Tree string
	// Version is the release's, Commit the full name of what it was built from.
	Version, Commit string
	// Epoch is the time of everything in it: the commit's.
	Epoch time.Time
	// Progress is told each step.
	Progress func(string)
}

func (o Options) images() images.Options {
	return images.Options{CacheDir: o.Cache, BinDir: o.Programs, Progress: o.Progress}
}

// Stock builds the images that the cache lacks and packs them into the tree. It needs
// root, as the machines' root belongs to many users.
func Stock(ctx context.Context, o Options) error {
	img, err := image.Ensure(ctx, image.Options{CacheDir: o.Cache, Progress: o.Progress})
	if err != nil {
		return err
	}
	bundle, err := images.Build(ctx, o.images())
	if err != nil {
		return err
	}
	dir := filepath.Join(o.Tree, stock.Images)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	o.Progress("packing the images")
	items, err := bundle.StockItems(o.images())
	if err != nil {
		return err
	}
	packed, err := stock.Pack(ctx, dir, o.Version, o.Cache, append(items, img.StockItem())...)
	if err != nil {
		return err
	}
	for _, e := range packed.Entries {
		o.Progress(fmt.Sprintf("%s: %d MiB, unpacked %d MiB", e.File, e.Size>>20, e.Unpacked>>20))
	}
	return nil
}

// Tree adds everything else to the tree: see the functions that it calls.
func Tree(ctx context.Context, o Options) error {
	for _, step := range []struct {
		what string
		do   func(context.Context, Options) error
	}{
		{"programs", addPrograms}, {"completion", addCompletion}, {"manual pages", addManual}, {"contents and licences", addContents},
	} {
		o.Progress(step.what)
		if err := step.do(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return o.settle()
}

// The modes that files of the tree have.
const (
	programMode = 0o755
	fileMode    = 0o644
)

// settle gives all files of the tree one of two modes, whatever the umask was, and one
// time.
func (o Options) settle() error {
	stamp := unix.NsecToTimespec(o.Epoch.UnixNano())
	return filepath.WalkDir(o.Tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := fs.FileMode(fileMode)
		if d.IsDir() || info.Mode()&0o100 != 0 {
			mode = programMode
		}
		if d.Type()&fs.ModeSymlink == 0 {
			if err := os.Chmod(path, mode); err != nil {
				return err
			}
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// put writes a file of the tree.
func (o Options) put(path string, content []byte) error {
	at := filepath.Join(o.Tree, path)
	if err := os.MkdirAll(filepath.Dir(at), programMode); err != nil {
		return err
	}
	return os.WriteFile(at, content, fileMode)
}

// link makes a symbolic link of the tree.
func (o Options) link(path, target string) error {
	at := filepath.Join(o.Tree, path)
	if err := os.MkdirAll(filepath.Dir(at), programMode); err != nil {
		return err
	}
	if err := os.Remove(at); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(target, at)
}
