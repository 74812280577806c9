package images

import (
	"bytes"
	"debug/elf"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// libraries returns the paths in t of everything that the dynamic loader maps
// for the program at p: its interpreter, the libraries it names, and theirs.
func (t *tree) libraries(p string) ([]string, error) {
	dirs := t.libraryDirs()
	found := map[string]bool{}
	queue := []string{p}
	for len(queue) > 0 {
		current := queue[0]
		queue = queue[1:]
		needed, interpreter, err := t.needs(current)
		if err != nil {
			return nil, err
		}
		if interpreter != "" && !found[interpreter] {
			found[interpreter] = true
		}
		for _, name := range needed {
			at, err := t.findLibrary(dirs, name)
			if err != nil {
				return nil, lang.Errorf("%s needs %s: %w", "%s에 필요한 %s: %w", current, name, err)
			}
			if !found[at] {
				found[at] = true
				queue = append(queue, at)
			}
		}
	}
	paths := make([]string, 0, len(found))
	for at := range found {
		paths = append(paths, at)
	}
	slices.Sort(paths)
	return paths, nil
}

// libraryDirs lists the folders that hold shared libraries, Debian's
// multi-architecture folders first, as its loader looks there.
func (t *tree) libraryDirs() []string {
	seen := map[string]bool{}
	var dirs []string
	for p := range t.files {
		dir := path.Dir(p)
		parent := path.Base(path.Dir(dir))
		if !seen[dir] && strings.Contains(path.Base(p), ".so.") && (parent == "lib" || path.Base(dir) == "lib") {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
	}
	slices.SortFunc(dirs, func(a, b string) int {
		if d := strings.Count(b, "/") - strings.Count(a, "/"); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return dirs
}

func (t *tree) findLibrary(dirs []string, name string) (string, error) {
	for _, dir := range dirs {
		at := path.Join(dir, name)
		if _, _, err := t.resolve(at); err == nil {
			return at, nil
		}
	}
	return "", lang.Errorf("it is in none of %v: %w", "%v 어디에도 없습니다: %w", dirs, fs.ErrNotExist)
}

// needs reads what an ELF file asks the loader for.
func (t *tree) needs(p string) (libraries []string, interpreter string, err error) {
	_, f, err := t.resolve(p)
	if err != nil {
		return nil, "", err
	}
	bin, err := elf.NewFile(bytes.NewReader(f.content))
	if err != nil {
		return nil, "", lang.Errorf("reading %s: %w", "%s 읽기: %w", p, err)
	}
	for _, prog := range bin.Progs {
		if prog.Type != elf.PT_INTERP {
			continue
		}
		name := make([]byte, prog.Filesz)
		if _, err := prog.ReadAt(name, 0); err != nil {
			return nil, "", lang.Errorf("reading the interpreter's name of %s: %w", "%s의 인터프리터 이름 읽기: %w", p, err)
		}
		interpreter = clean(strings.TrimRight(string(name), "\x00"))
	}
	libraries, err = bin.ImportedLibraries()
	if errors.Is(err, elf.ErrNoSymbols) {
		err = nil
	}
	return libraries, interpreter, err
}
