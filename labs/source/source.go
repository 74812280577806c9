// Package source finds functions in the project's own source, so that a lab
// can end by naming the very line that did what its learner has seen, and so
// that a function that was renamed is noticed.
package source

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"sort"
	"strings"

	"noriter.dev/noriter/cluster"
)

// root is what the paths of carried sources begin with.
const root = "cluster/"

// Carried tells whether the source at a path is in this program.
func Carried(path string) bool { return strings.HasPrefix(path, root) }

// Place is a function's place in the source.
type Place struct {
	// File is the path from the top of the project.
	File string
	Line int
}

// String is the place as FILE:LINE.
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Find gives the place of a function of the package (or file) at a path. A
// method is named by its type, too: "Controller.sync".
func Find(at, function string) (Place, error) { return find(cluster.Source, at, function) }

// Exists tells whether there is a file or folder at a path.
func Exists(at string) bool {
	_, err := fs.Stat(cluster.Source, strings.TrimPrefix(at, root))
	return err == nil
}

func find(fsys fs.FS, at, function string) (Place, error) {
	files, err := sources(fsys, strings.TrimPrefix(at, root))
	if err != nil {
		return Place{}, fmt.Errorf("there is no source at %s", at)
	}
	var names []string
	for _, file := range files {
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return Place{}, fmt.Errorf("reading %s: %w", file, err)
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, data, parser.SkipObjectResolution)
		if err != nil {
			return Place{}, fmt.Errorf("reading %s: %w", file, err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if full := name(f); full == function {
				return Place{File: root + file, Line: set.Position(f.Pos()).Line}, nil
			} else if strings.HasSuffix(strings.ToLower(full), strings.ToLower(function[strings.LastIndex(function, ".")+1:])) {
				names = append(names, full)
			}
		}
	}
	sort.Strings(names)
	hint := ""
	if len(names) > 0 {
		hint = "; there are: " + strings.Join(names, ", ")
	}
	return Place{}, fmt.Errorf("%s has no function %s%s", at, function, hint)
}

// sources are the Go files of a package, or the one file named; tests are
// not what a lesson is about.
func sources(fsys fs.FS, at string) ([]string, error) {
	if strings.HasSuffix(at, ".go") {
		return []string{at}, nil
	}
	entries, err := fs.ReadDir(fsys, at)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if n := e.Name(); !e.IsDir() && strings.HasSuffix(n, ".go") && !strings.HasSuffix(n, "_test.go") {
			out = append(out, path.Join(at, n))
		}
	}
	return out, nil
}

// name is a function's name, with that of its receiver's type before it.
func name(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	switch g := t.(type) { // a generic receiver has its parameters behind it
	case *ast.IndexExpr:
		t = g.X
	case *ast.IndexListExpr:
		t = g.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "." + f.Name.Name
	}
	return f.Name.Name
}
