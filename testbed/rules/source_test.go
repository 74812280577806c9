package rules

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// top is the project's top folder, as tests see it.
const top = "../.."

// eachFile parses every Go file of the project's packages, tests left out.
func eachFile(t *testing.T, visit func(path string, set *token.FileSet, file *ast.File)) {
	t.Helper()
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			parse(t, filepath.Join(p.Dir, name), visit)
		}
	}
}

// eachGoFile is eachFile with tests, and with what is built with a tag only.
func eachGoFile(t *testing.T, visit func(path string, set *token.FileSet, file *ast.File)) {
	t.Helper()
	for _, path := range files(t, ".go") {
		parse(t, path, visit)
	}
}

func parse(t *testing.T, path string, visit func(path string, set *token.FileSet, file *ast.File)) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	visit(path, set, file)
}

// files are the project's files whose names end so, as absolute paths. What was built
// or is hidden is no part of it.
func files(t *testing.T, ending string) []string {
	t.Helper()
	root, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || path == filepath.Join(root, "bin")):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(d.Name(), ending):
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// short is a file's path within the project.
func short(path string) string {
	root, err := filepath.Abs(top)
	if err != nil {
		return path
	}
	return strings.TrimPrefix(path, root+"/")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
