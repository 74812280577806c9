package seal

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
)

// Check looks at every file, and reads those that look different. It says whether the
// seal was brought up to date with what it found. What is not as it was written is a
// *Damage.
func (s *Seal) Check(dir string) (renewed bool, err error) {
	return s.check(dir, false, func(string) bool { return true })
}

// Verify reads every file. One that holds other bytes, which a look had not shown, is
// found by the next Check, too, if the seal is kept.
func (s *Seal) Verify(dir string) (renewed bool, err error) {
	return s.check(dir, true, func(string) bool { return true })
}

// CheckBelow is Check for one of the names that Make was given, and all below it.
func (s *Seal) CheckBelow(dir, name string) (renewed bool, err error) {
	return s.check(dir, false, func(path string) bool { return path == name || strings.HasPrefix(path, name+"/") })
}

// CheckOnly is Check for some of the files, by their paths. One that the seal does
// not name is a *Damage, too.
func (s *Seal) CheckOnly(dir string, paths ...string) (renewed bool, err error) {
	for _, p := range paths {
		if !slices.ContainsFunc(s.Files, func(f File) bool { return f.Path == p }) {
			return false, New(p, "%s is not in the list of files", "%s이(가) 파일 목록에 없습니다", nil)
		}
	}
	return s.check(dir, false, func(path string) bool { return slices.Contains(paths, path) })
}

func (s *Seal) check(dir string, read bool, wanted func(path string) bool) (renewed bool, err error) {
	var found []*Damage
	for i := range s.Files {
		f := &s.Files[i]
		if !wanted(f.Path) {
			continue
		}
		fresh, d := f.check(dir, read)
		if d != nil {
			found = append(found, d)
		}
		renewed = renewed || fresh
	}
	if len(found) == 0 {
		return renewed, nil
	}
	found[0].More = len(found) - 1
	return renewed, found[0]
}

func (f *File) check(dir string, read bool) (renewed bool, d *Damage) {
	var st unix.Stat_t
	err := unix.Lstat(filepath.Join(dir, f.Path), &st)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return false, nil // another user's, and not to be looked at: nothing can be said
	case errors.Is(err, fs.ErrNotExist):
		return false, missing(f.Path, err)
	case err != nil:
		return false, notReadable(f.Path, err)
	case st.Mode&unix.S_IFMT != f.Mode&unix.S_IFMT:
		return false, f.damaged(lang.Text{EN: "%s is something else", KO: "%s이(가) 다른 것으로 바뀌었습니다"})
	case f.plain() && st.Size != f.Size && st.Size == 0:
		return false, f.damaged(lang.Text{EN: "%s is empty", KO: "%s이(가) 비어 있습니다"})
	case f.plain() && st.Size != f.Size:
		return false, f.damaged(lang.Text{EN: "%s has another size", KO: "%s의 크기가 다릅니다"})
	case f.Owned && (st.Mode != f.Mode || st.Uid != f.UID || st.Gid != f.GID):
		return false, f.damaged(lang.Text{EN: "%s has another owner or mode", KO: "%s의 소유자나 권한이 다릅니다"})
	case f.plain() && !read && st.Mtim.Nano() == f.MTime && st.Ino == f.Ino:
		return false, nil
	}
	sum, err := f.sum(dir)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return false, nil
	case err != nil:
		return false, notReadable(f.Path, err)
	case sum != f.Sum:
		before := f.MTime
		f.MTime, f.Ino = 0, 0 // so that the next look reads it again
		return before != 0, f.damaged(lang.Text{EN: "%s holds other bytes", KO: "%s의 내용이 다릅니다"})
	}
	before := *f
	f.looksLike(&st)
	return *f != before, nil
}
