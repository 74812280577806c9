// Package seal notices that files of a cache are not any more what was written. A
// seal is the list of an entry's files, made when the entry is: their sizes and
// checksums, and how each looked then (time, inode).
//
// A check costs a look at each file. Only one that looks different is read: a cache
// that was copied elsewhere is as good as before, and its seal is brought up to date.
// What keeps its size and its time while its bytes change is found by Verify, which
// reads all; whoever fails at a step because of such a file calls it.
package seal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
)

// version is the format of a seal's file.
const version = 1

// Seal is the list of an entry's files.
type Seal struct {
	Version int    `json:"version"`
	Nori    string `json:"nori"`
	Files   []File `json:"files"`
}

// File is one of them.
type File struct {
	// Path is relative to the entry's folder.
	Path string `json:"path"`
	// Owned says that the file is part of a tree: its mode and owner count, too.
	Owned bool   `json:"owned,omitempty"`
	Mode  uint32 `json:"mode"`
	UID   uint32 `json:"uid,omitempty"`
	GID   uint32 `json:"gid,omitempty"`
	// Size is a plain file's, in bytes.
	Size int64 `json:"size,omitempty"`
	// Sum is a plain file's SHA-256, in hex, or where a link points to.
	Sum string `json:"sum,omitempty"`
	// MTime (in nanoseconds) and Ino are how it looked when its content was last
	// known to be right.
	MTime int64  `json:"mtime,omitempty"`
	Ino   uint64 `json:"ino,omitempty"`
}

// Make lists files below a folder, and all that is in those that are folders.
func Make(dir string, names ...string) (*Seal, error) {
	s := &Seal{Version: version, Nori: build.Version()}
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(dir, name), func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			f := File{Path: rel, Owned: rel != filepath.Clean(name)}
			if err := f.note(dir); err != nil {
				return err
			}
			if f.Mode&unix.S_IFMT == unix.S_IFDIR {
				f.Owned = true
			}
			s.Files = append(s.Files, f)
			return nil
		})
		if err != nil {
			return nil, lang.Errorf("listing what %s holds: %w", "%s의 내용 목록 만들기: %w", filepath.Join(dir, name), err)
		}
	}
	return s, nil
}

// note fills in how a file is now.
func (f *File) note(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(dir, f.Path), &st); err != nil {
		return err
	}
	f.Mode, f.UID, f.GID = st.Mode, st.Uid, st.Gid
	f.looksLike(&st)
	if f.plain() {
		f.Size = st.Size
	}
	var err error
	f.Sum, err = f.sum(dir)
	return err
}

func (f *File) plain() bool { return f.Mode&unix.S_IFMT == unix.S_IFREG }

// looksLike keeps a file's time and inode, which mean something of plain files only.
func (f *File) looksLike(st *unix.Stat_t) {
	if f.plain() {
		f.MTime, f.Ino = st.Mtim.Nano(), st.Ino
	}
}

func (f *File) sum(dir string) (string, error) {
	path := filepath.Join(dir, f.Path)
	switch {
	case f.Mode&unix.S_IFMT == unix.S_IFLNK:
		return os.Readlink(path)
	case !f.plain():
		return "", nil
	}
	// One that was put in its place meanwhile, a pipe say, must not hold us up.
	r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Read reads a seal's file. One that can't be read is a *Damage of that file; one of a
// newer nori is a *format.NewerError.
func Read(path string) (*Seal, error) {
	name := filepath.Base(path)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing(name, err)
	}
	if err != nil {
		return nil, lang.Errorf("reading %s: %w", "%s 읽기: %w", path, err)
	}
	s := &Seal{}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, unreadable(name, len(b), err)
	}
	if err := format.Check(lang.Textf("the list %s", "목록 %s", path), s.Version, version, s.Nori); err != nil {
		return nil, err
	}
	if s.Version < 1 || len(s.Files) == 0 {
		return nil, unreadable(name, 0, nil)
	}
	return s, nil
}

// Write keeps a seal, whole or not at all.
func (s *Seal) Write(path string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return lang.Errorf("writing %s: %w", "%s 쓰기: %w", path, err)
	}
	return WriteFile(path, append(b, '\n'))
}

// WriteFile replaces a file by a whole new one or not at all. Another name of the old
// one, in a copy of the cache by hard links, keeps the old content.
func WriteFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return lang.Errorf("writing %s: %w", "%s 쓰기: %w", path, err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return lang.Errorf("writing %s: %w", "%s 쓰기: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return lang.Errorf("writing %s: %w", "%s 쓰기: %w", path, err)
	}
	return nil
}
