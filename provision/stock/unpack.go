package stock

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
)

// Unpack puts an entry into an empty folder (or a new file, if it is one), and says
// through say how far it is. An archive that is not
// what the list says is a *machine.HostError; what was unpacked of it is the caller's
// to remove, as after any other error.
func (s Stock) Unpack(ctx context.Context, e Entry, to string, say func(string)) error {
	f, err := os.Open(filepath.Join(s.Dir, e.File))
	if err != nil {
		return s.damaged(e.File, err)
	}
	defer f.Close()
	in := &source{ctx: ctx, file: f, sum: sha256.New(), total: e.Size, say: say}
	z, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(window), zstd.WithDecoderConcurrency(2))
	if err != nil {
		return err
	}
	err = unpack(tar.NewReader(z), to)
	z.Close() // it reads ahead
	if ctx.Err() != nil {
		return lang.Errorf("unpacking %s: %w", "%s 풀기: %w", e.File, ctx.Err())
	}
	// To the end, whatever came before: an archive that is not whole is the reason for
	// all that went wrong.
	if _, err := io.Copy(io.Discard, in); err != nil {
		return s.damaged(e.File, err)
	}
	if got := hex.EncodeToString(in.sum.Sum(nil)); got != e.SHA256 {
		return s.damaged(e.File, lang.Errorf("its checksum is %.12s…, and not %.12s…", "체크섬이 %.12s…입니다. %.12s…이어야 합니다", got, e.SHA256))
	}
	if err != nil {
		return lang.Errorf("unpacking %s: %w", "%s 풀기: %w", e.File, err)
	}
	return nil
}

// source is an archive being read: summed up, and told of.
type source struct {
	ctx         context.Context
	file        io.Reader
	sum         hash.Hash
	read, total int64
	told        int64
	say         func(string)
}

func (r *source) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.file.Read(p)
	r.sum.Write(p[:n]) // a hash never fails
	r.read += int64(n)
	if percent := r.read * 100 / max(r.total, 1); percent >= r.told+5 || err == io.EOF && r.told < percent {
		r.told = percent
		r.say(lang.Textf("unpacking what came with nori: %d %% of %d MiB", "nori와 함께 온 것을 푸는 중: %[2]d MiB의 %[1]d %%", percent, r.total>>20).String())
	}
	return n, err
}

func unpack(in *tar.Reader, to string) error {
	times := map[string]time.Time{}
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return settle(times)
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(h.Name) || h.Typeflag == tar.TypeLink && !filepath.IsLocal(h.Linkname) {
			return lang.Errorf("the name %q leads out of the folder", "이름 %q이(가) 폴더 밖을 가리킵니다", h.Name)
		}
		if err := place(in, h, to); err != nil {
			return err
		}
		times[filepath.Join(to, h.Name)] = h.ModTime
	}
}

// place makes one file, folder, link or device.
func place(in io.Reader, h *tar.Header, to string) error {
	path := filepath.Join(to, h.Name)
	mode := uint32(h.Mode & 0o7777)
	var err error
	switch h.Typeflag {
	case tar.TypeDir:
		err = os.MkdirAll(path, 0o700)
	case tar.TypeReg:
		err = write(in, path)
	case tar.TypeSymlink:
		err = os.Symlink(h.Linkname, path)
	case tar.TypeLink:
		return os.Link(filepath.Join(to, h.Linkname), path) // all else is the first name's
	case tar.TypeChar:
		err = unix.Mknod(path, mode|unix.S_IFCHR, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))))
	case tar.TypeBlock:
		err = unix.Mknod(path, mode|unix.S_IFBLK, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))))
	case tar.TypeFifo:
		err = unix.Mkfifo(path, mode)
	default:
		return lang.Errorf("%s is of the kind %q, which is not known", "%s의 종류 %q을(를) 알 수 없습니다", h.Name, string(h.Typeflag))
	}
	if err != nil {
		return err
	}
	return dress(path, h, mode)
}

func write(in io.Reader, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, in); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// dress gives a file its owner, its mode and its capabilities, in this order: a change
// of the owner takes some modes, and capabilities, away. One who is not root owns all.
func dress(path string, h *tar.Header, mode uint32) error {
	if os.Geteuid() == 0 {
		if err := os.Lchown(path, h.Uid, h.Gid); err != nil {
			return err
		}
	}
	if h.Typeflag != tar.TypeSymlink {
		if err := unix.Chmod(path, mode); err != nil {
			return &fs.PathError{Op: "chmod", Path: path, Err: err}
		}
	}
	if value, ok := h.PAXRecords[capability]; ok {
		if err := unix.Lsetxattr(path, strings.TrimPrefix(capability, xattrPrefix), []byte(value), 0); err != nil {
			return &fs.PathError{Op: "setxattr", Path: path, Err: err}
		}
	}
	return nil
}

// settle gives all files their times, at the end: a folder has another one as soon as
// something is put into it.
func settle(times map[string]time.Time) error {
	for path, at := range times {
		stamp := unix.NsecToTimespec(at.UnixNano())
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &fs.PathError{Op: "utimensat", Path: path, Err: err}
		}
	}
	return nil
}
