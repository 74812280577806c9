// Package folder reads the folder of a lab or a quiz that somebody has on disk, whoever
// wrote it: into memory, once, so that what runs is what was looked at and agreed to. It
// takes files of the folder only, no links to elsewhere, and not more than a lab needs.
package folder

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing/fstest"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/internal/problem"
)

// Limits of a folder: several times what the largest lab has.
const (
	fileBytes   = 1 << 20
	folderBytes = 8 << 20
	headBytes   = 128 << 10 // of lab.yaml and quiz.yaml, which are mostly expressions to compile
	folderFiles = 1000
	depth       = 8
)

// Folder is what was in a folder. It is a file system with one folder in it, of the name
// that the folder has.
type Folder struct {
	fstest.MapFS
	name string
}

// BadError is a folder that holds what it must not.
type BadError struct{ Err error }

func (e *BadError) Error() string { return e.Err.Error() }

// Unwrap gives what is wrong.
func (e *BadError) Unwrap() error { return e.Err }

func bad(en, ko string, args ...any) error { return &BadError{lang.Errorf(en, ko, args...)} }

// Read reads a folder. What begins with a dot is left out: it is an editor's, or git's.
func Read(dir string) (*Folder, error) {
	f := &Folder{MapFS: fstest.MapFS{}, name: path.Base(dir)}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, lang.Errorf("opening the folder: %w", "폴더 열기: %w", err)
	}
	defer root.Close()
	left := folderBytes
	return f, f.read(root, dir, ".", &left)
}

// read reads a folder within root, which never leads out of it.
func (f *Folder) read(root *os.Root, shown, dir string, left *int) error {
	if strings.Count(dir, "/") >= depth {
		return bad("%s: there are more than %d folders in one another", "%s: 폴더가 %d단계보다 깊게 들어 있습니다", path.Join(shown, dir), depth)
	}
	d, err := root.Open(dir)
	if err != nil {
		return lang.Errorf("reading the folder: %w", "폴더 읽기: %w", err)
	}
	defer d.Close()
	entries, err := d.ReadDir(folderFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return lang.Errorf("reading the folder: %w", "폴더 읽기: %w", err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
			continue
		case e.IsDir():
			err = f.read(root, shown, name, left)
		case len(f.MapFS) >= folderFiles:
			err = bad("%s holds more than %d files", "%s에 파일이 %d개보다 많습니다", shown, folderFiles)
		case !e.Type().IsRegular():
			err = bad("%s is %s: a lab has files of its own folder only, and no links", "%s은(는) %s입니다. 실습에는 자기 폴더 안의 일반 파일만 있어야 하고, 링크는 안 됩니다",
				path.Join(shown, name), kindOf(e.Type()))
		default:
			var data []byte
			data, err = content(root, shown, name, left)
			f.MapFS[path.Join(f.name, name)] = &fstest.MapFile{Data: data, Mode: 0o444}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// kindOf says what a file is that is no file.
func kindOf(mode fs.FileMode) lang.Text {
	switch {
	case mode&fs.ModeSymlink != 0:
		return lang.Text{EN: "a link", KO: "링크"}
	case mode&fs.ModeDevice != 0:
		return lang.Text{EN: "a device", KO: "장치 파일"}
	case mode&fs.ModeNamedPipe != 0:
		return lang.Text{EN: "a pipe", KO: "파이프"}
	}
	return lang.Text{EN: "no plain file", KO: "일반 파일이 아닌 것"}
}

// content reads a file. What it is is looked at again once it is open: it may be another by
// now, and one that blocks must not be waited for.
func content(root *os.Root, shown, name string, left *int) ([]byte, error) {
	file, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, lang.Errorf("reading the folder: %w", "폴더 읽기: %w", err)
	}
	defer file.Close()
	fi, err := file.Stat()
	if err != nil {
		return nil, lang.Errorf("reading the folder: %w", "폴더 읽기: %w", err)
	}
	if !fi.Mode().IsRegular() {
		return nil, bad("%s is %s: a lab has files of its own folder only, and no links", "%s은(는) %s입니다. 실습에는 자기 폴더 안의 일반 파일만 있어야 하고, 링크는 안 됩니다",
			path.Join(shown, name), kindOf(fi.Mode()))
	}
	most := fileBytes
	if name == "lab.yaml" || name == "quiz.yaml" {
		most = headBytes
	}
	data, err := io.ReadAll(io.LimitReader(file, int64(most)+1))
	if err != nil {
		return nil, lang.Errorf("reading %s: %w", "%s 읽기: %w", path.Join(shown, name), err)
	}
	if *left -= len(data); len(data) > most || fi.Size() > int64(most) {
		return nil, bad("%s is larger than %d KiB, the most that this file of a lab may have", "%s이(가) %d KiB보다 큽니다. 실습의 이 파일은 이보다 클 수 없습니다", path.Join(shown, name), most>>10)
	}
	if *left < 0 {
		return nil, bad("the files of %s are larger than %d MiB together, the most that a lab may have", "%s의 파일이 모두 합쳐 %d MiB보다 큽니다. 실습은 이보다 클 수 없습니다", shown, folderBytes>>20)
	}
	return data, nil
}

// Hash names what is in the folder: one file more, or another letter, and it is another.
func (f *Folder) Hash() string {
	h := sha256.New()
	for _, at := range slices.Sorted(maps.Keys(f.MapFS)) {
		name, data := strings.TrimPrefix(at, f.name+"/"), f.MapFS[at].Data
		fmt.Fprintf(h, "%d:%s %d:", len(name), name, len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Name is the folder's name, by which it is opened.
func (f *Folder) Name() string { return f.name }

// Together is one file system of several folders, each by its name.
func Together(all []*Folder) fs.FS {
	one := fstest.MapFS{}
	for _, f := range all {
		maps.Copy(one, f.MapFS)
	}
	return one
}

// Unprintable finds the characters in the files of a folder that a terminal would obey:
// the first of each file, with its line.
func Unprintable(fsys fs.FS, dir string) (problems problem.List) {
	_ = fs.WalkDir(fsys, dir, func(name string, d fs.DirEntry, err error) error { // what can't be read is told by others
		if err != nil || d.IsDir() {
			return nil
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil
		}
		text := strings.ReplaceAll(string(data), "\r\n", "\n")
		if at := printable.At(text); at >= 0 {
			_, n := utf8.DecodeRuneInString(text[at:])
			problems = append(problems, problem.Line(name, strings.Count(text[:at], "\n")+1,
				"the character %s is none to show: a terminal obeys it", printable.Text(text[at:at+n])))
		}
		return nil
	})
	return problems
}
