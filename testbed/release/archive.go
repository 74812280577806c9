package release

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Archive packs the tree into a tar archive below a folder of the release's name, with
// a link to nori at its top: whoever unpacks it has a nori to run, wherever that is.
func Archive(o Options, to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	a := archive{tar.NewWriter(z), o, "noriter-" + o.Version}
	if err := filepath.WalkDir(o.Tree, a.add); err != nil {
		return err
	}
	link := a.header("nori", tar.TypeSymlink, programMode)
	link.Linkname = "bin/nori"
	return errors.Join(a.out.WriteHeader(link), a.out.Close(), z.Close(), f.Close())
}

type archive struct {
	out *tar.Writer
	o   Options
	top string
}

func (a archive) header(name string, kind byte, mode int64) *tar.Header {
	return &tar.Header{
		Name: filepath.Join(a.top, name), Typeflag: kind, Mode: mode, ModTime: a.o.Epoch.UTC(),
		Uname: "root", Gname: "root", Format: tar.FormatPAX,
	}
}

func (a archive) add(path string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	name, err := filepath.Rel(a.o.Tree, path)
	if err != nil {
		return err
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	h := a.header(name, tar.TypeReg, int64(info.Mode().Perm()))
	switch {
	case d.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	case d.Type()&fs.ModeSymlink != 0:
		h.Typeflag, h.Mode = tar.TypeSymlink, programMode
		if h.Linkname, err = os.Readlink(path); err != nil {
			return err
		}
	default:
		h.Size = info.Size()
	}
	if err := a.out.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(a.out, f)
	return err
}
