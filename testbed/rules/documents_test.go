package rules

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentsNameWhatThereIs: a reader who looks for what a document names finds it.
// `path/file.go#Name` names a function, a Type.Method, a type, a variable or a constant;
// the path begins at the top of the project or at the document.
func TestDocumentsNameWhatThereIs(t *testing.T) {
	for _, doc := range files(t, ".md") {
		eachLine(t, doc, func(where, line string) {
			for _, m := range reference.FindAllStringSubmatch(line, -1) {
				if err := find(doc, m[1], m[2]); err != nil {
					t.Errorf("%s: %v", where, err)
				}
			}
		})
	}
}

// TestLinksLeadSomewhere looks at all links within the project, to files and to headings.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, doc := range files(t, ".md") {
		fenced := false
		eachLine(t, doc, func(where, line string) {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				fenced = !fenced
			}
			if fenced {
				return
			}
			for _, m := range link.FindAllStringSubmatch(inlineCode.ReplaceAllString(line, ""), -1) {
				if err := follow(doc, m[1]+m[2]+m[3]); err != nil {
					t.Errorf("%s: %v", where, err)
				}
			}
		})
	}
}

var (
	reference  = regexp.MustCompile(`([\w./-]+\.go)#([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)`)
	inlineCode = regexp.MustCompile("`[^`]*`")
	// link is [text](target), <a href="target">, <img src="target"> or [name]: target.
	link = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)|(?:href|src)="([^"]+)"|^\s*\[[^\]]+\]:\s+(\S+)`)
)

func eachLine(t *testing.T, doc string, visit func(where, line string)) {
	t.Helper()
	data, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(data), "\n") {
		visit(fmt.Sprintf("%s:%d", short(doc), i+1), line)
	}
}

// find looks for a name in the Go file that a document means.
func find(doc, file, name string) error {
	path, ok := meant(doc, file)
	if !ok {
		return fmt.Errorf("there is no file %s", file)
	}
	names, err := declared(path)
	if err != nil {
		return err
	}
	if !names[name] {
		return fmt.Errorf("%s declares no %s", short(path), name)
	}
	return nil
}

// meant is the file that a document means by a path: from its own folder, or from the top.
func meant(doc, file string) (string, bool) {
	for _, from := range []string{filepath.Dir(doc), top} {
		if path := filepath.Join(from, file); exists(path) {
			return path, true
		}
	}
	return "", false
}

// declared are the names that a file declares; those of methods, also of an interface's,
// begin with their type's.
func declared(path string) (map[string]bool, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names[receiver(d)+d.Name.Name] = true
		case *ast.GenDecl:
			for _, s := range d.Specs {
				declare(names, s)
			}
		}
	}
	return names, nil
}

func declare(names map[string]bool, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, n := range s.Names {
			names[n.Name] = true
		}
	case *ast.TypeSpec:
		names[s.Name.Name] = true
		if i, ok := s.Type.(*ast.InterfaceType); ok {
			for _, m := range i.Methods.List {
				for _, n := range m.Names {
					names[s.Name.Name+"."+n.Name] = true
				}
			}
		}
	}
}

// receiver is "Type." for a method, and nothing for a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	of := f.Recv.List[0].Type
	for {
		switch t := of.(type) {
		case *ast.StarExpr:
			of = t.X
		case *ast.IndexExpr: // a generic type has its parameters behind it
			of = t.X
		case *ast.IndexListExpr:
			of = t.X
		case *ast.Ident:
			return t.Name + "."
		default:
			return ""
		}
	}
}

// follow follows a link of a document.
func follow(doc, target string) error {
	if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
		return nil // out of the project
	}
	file, heading, _ := strings.Cut(target, "#")
	to := doc
	if file != "" {
		to = filepath.Join(filepath.Dir(doc), file)
	}
	if !exists(to) {
		return fmt.Errorf("the link to %s leads nowhere", target)
	}
	switch {
	case heading == "":
		return nil
	case strings.HasSuffix(to, ".go"):
		return find(doc, file, heading)
	}
	headings, err := anchors(to)
	if err != nil {
		return err
	}
	if !headings[heading] {
		return fmt.Errorf("the link to %s: there is no such heading", target)
	}
	return nil
}

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)

// anchors are the names by which a document's headings are reached, as GitHub makes them.
func anchors(doc string) (map[string]bool, error) {
	data, err := os.ReadFile(doc)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for line := range strings.SplitSeq(string(data), "\n") {
		if h := strings.TrimLeft(line, "#"); h != line && strings.HasPrefix(h, " ") {
			h = notInAnchors.ReplaceAllString(strings.ToLower(strings.TrimSpace(h)), "")
			out[strings.ReplaceAll(h, " ", "-")] = true
		}
	}
	return out, nil
}

func TestDeclared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.go")
	const text = `package x
type T[K any] struct{}
type I interface { M() }
func (*T[K]) Do() {}
func F() {}
var a, b = 1, 2
const C = 3
`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	names, err := declared(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"T", "I", "I.M", "T.Do", "F", "a", "b", "C"} {
		if !names[want] {
			t.Errorf("%s is not found", want)
		}
	}
	if names["Do"] || names["M"] {
		t.Error("a method is found without its type")
	}
}
