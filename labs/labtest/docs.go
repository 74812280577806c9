package labtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/strict"
)

// Docs are the types of a package with their comments.
type Docs map[string]typeDoc

type typeDoc struct {
	text string
	spec ast.Expr
}

// ReadDocs reads the documentation of the package in a folder.
func ReadDocs(t testing.TB, dir string) Docs {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	docs := Docs{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.TYPE && !strings.HasSuffix(name, "_test.go") {
				for _, s := range g.Specs {
					spec := s.(*ast.TypeSpec)
					docs[spec.Name.Name] = typeDoc{g.Doc.Text() + spec.Doc.Text(), spec.Type}
				}
			}
		}
	}
	return docs
}

// Of is the comment of the type that a value points to.
func (d Docs) Of(value any) string { return d[reflect.TypeOf(value).Elem().Name()].text }

// Undocumented are the fields in YAML of the struct that a value points to
// that have no comment of their own and aren't named in the type's.
func (d Docs) Undocumented(value any) (missing []string) {
	doc := d[reflect.TypeOf(value).Elem().Name()]
	if other, ok := doc.spec.(*ast.Ident); ok { // type A B
		doc.spec = d[other.Name].spec
		doc.text += d[other.Name].text
	}
	commented := map[string]bool{}
	if s, ok := doc.spec.(*ast.StructType); ok {
		for _, f := range s.Fields.List {
			for _, name := range f.Names {
				commented[strings.ToLower(name.Name)] = f.Doc.Text()+f.Comment.Text() != ""
			}
		}
	}
	for _, f := range strict.FieldsOf(value) {
		named := regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(f.Name) + `\b`).MatchString(doc.text)
		if !named && !commented[strings.ToLower(f.Name)] {
			missing = append(missing, f.Name)
		}
	}
	return missing
}
