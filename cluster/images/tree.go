package images

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// epoch is the time of every file and image: a build has no date of its own.
var epoch = time.Unix(0, 0).UTC()

// maxFile bounds a file read into memory, in bytes; a sparse one may claim any size.
const maxFile = 64 << 20

// file is one entry of a tree.
type file struct {
	mode    fs.FileMode // type and permission bits
	content []byte      // of a regular file
	link    string      // target of a symbolic link
}

// tree is a root file system in memory, by absolute clean path without the
// leading slash. Everything in it belongs to root, as in the images it copies.
type tree struct {
	files map[string]file
}

func newTree() *tree { return &tree{files: map[string]file{}} }

func clean(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

// add puts a regular file, and the folders above it, in place.
func (t *tree) add(p string, mode fs.FileMode, content []byte) {
	t.put(p, file{mode: mode.Perm(), content: content})
}

// dir puts a folder in place; mode may carry fs.ModeSticky.
func (t *tree) dir(p string, mode fs.FileMode) {
	t.put(p, file{mode: mode&(fs.ModePerm|fs.ModeSticky) | fs.ModeDir})
}

func (t *tree) symlink(p, target string) {
	t.put(p, file{mode: 0o777 | fs.ModeSymlink, link: target})
}

func (t *tree) put(p string, f file) {
	p = clean(p)
	for above := path.Dir(p); above != "."; above = path.Dir(above) {
		if _, there := t.files[above]; !there {
			t.files[above] = file{mode: 0o755 | fs.ModeDir}
		}
	}
	t.files[p] = f
}

// resolve follows symbolic links, in every part of the path, to a file.
func (t *tree) resolve(p string) (string, file, error) {
	const maxLinks = 40 // as Linux has it
	done, rest := "", clean(p)
	for links := 0; links <= maxLinks; {
		head, tail, more := strings.Cut(rest, "/")
		at := clean(path.Join(done, head))
		f, there := t.files[at]
		switch {
		case !there:
			return "", file{}, fmt.Errorf("%s: %w", p, fs.ErrNotExist)
		case f.mode&fs.ModeSymlink != 0:
			links++
			target := f.link
			if !path.IsAbs(target) {
				target = path.Join(done, target)
			}
			done, rest = "", clean(path.Join(target, tail))
		case !more:
			return at, f, nil
		default:
			done, rest = at, tail
		}
	}
	return "", file{}, lang.Errorf("%s: too many symbolic links", "%s: 심볼릭 링크가 너무 많습니다", p)
}

// copy takes the file at p, wherever links lead to, into another tree under name.
func (t *tree) copy(to *tree, p, name string) error {
	_, f, err := t.resolve(p)
	if err != nil {
		return lang.Errorf("copying from Debian's packages: %w", "데비안 패키지에서 복사: %w", err)
	}
	if !f.mode.IsRegular() {
		return lang.Errorf("copying from Debian's packages: %s is not a regular file", "데비안 패키지에서 복사: %s은(는) 일반 파일이 아닙니다", p)
	}
	to.add(name, f.mode, f.content)
	return nil
}

// tar writes the tree as a layer: sorted, folders first, times fixed.
func (t *tree) tar(w io.Writer) error {
	paths := make([]string, 0, len(t.files))
	for p := range t.files {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	tw := tar.NewWriter(w)
	for _, p := range paths {
		f := t.files[p]
		h := &tar.Header{Name: p, Mode: int64(f.mode.Perm()), ModTime: epoch, Format: tar.FormatPAX}
		switch {
		case f.mode.IsDir():
			h.Typeflag, h.Name = tar.TypeDir, p+"/"
			if f.mode&fs.ModeSticky != 0 {
				h.Mode |= 0o1000
			}
		case f.mode&fs.ModeSymlink != 0:
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		default:
			h.Typeflag, h.Size = tar.TypeReg, int64(len(f.content))
		}
		if err := tw.WriteHeader(h); err != nil {
			return lang.Errorf("writing %s: %w", "%s 쓰기: %w", p, err)
		}
		if _, err := tw.Write(f.content); err != nil {
			return lang.Errorf("writing %s: %w", "%s 쓰기: %w", p, err)
		}
	}
	return tw.Close()
}

func keepAll(string) bool { return true }

// readTree reads the regular files and symbolic links of an archive that keep wants.
func readTree(r io.Reader, keep func(path string) bool) (*tree, error) {
	t := newTree()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			// Reads to the very end, so that a hash over r covers all of it.
			_, err := io.Copy(io.Discard, r)
			return t, err
		}
		if err != nil {
			return nil, lang.Errorf("reading an archive: %w", "아카이브 읽기: %w", err)
		}
		p := clean(h.Name)
		if !keep(p) {
			continue
		}
		switch h.Typeflag {
		case tar.TypeReg:
			if h.Size > maxFile {
				return nil, lang.Errorf("reading %s: %d bytes are more than any file of an image has", "%s 읽기: %d바이트는 이미지에 든 어떤 파일보다도 큽니다", p, h.Size)
			}
			var content bytes.Buffer
			if _, err := io.Copy(&content, tr); err != nil {
				return nil, lang.Errorf("reading %s: %w", "%s 읽기: %w", p, err)
			}
			t.add(p, h.FileInfo().Mode(), content.Bytes())
		case tar.TypeLink:
			target, there := t.files[clean(h.Linkname)]
			if !there {
				return nil, lang.Errorf("reading %s: it is a link to %s, which is not there", "%s 읽기: 링크가 가리키는 %s이(가) 없습니다", p, h.Linkname)
			}
			t.put(p, target)
		case tar.TypeSymlink:
			t.symlink(p, h.Linkname)
		}
	}
}
