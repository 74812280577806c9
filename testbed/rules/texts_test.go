package rules

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/terms"
)

var verb = regexp.MustCompile(`%(?:\[(\d+)\])?[-+# 0]*[\d.*]*(?:\[(\d+)\])?([a-zA-Z%])`)

// used gives the arguments that a format prints, with their verbs: "1d 2s".
func used(format string) string {
	var out []string
	next := 1
	for _, m := range verb.FindAllStringSubmatch(format, -1) {
		if m[3] == "%" {
			continue
		}
		for _, index := range m[1:3] {
			if index != "" {
				next, _ = strconv.Atoi(index) // digits only
			}
		}
		out = append(out, strconv.Itoa(next)+m[3])
		next++
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}

func TestUsed(t *testing.T) {
	for format, want := range map[string]string{
		"%s: %w": "1s 2w", "%[2]s는 %[1]d %%": "1d 2s", "%.1f %-8s": "1f 2s", "": "",
	} {
		if got := used(format); got != want {
			t.Errorf("%q: got %q, want %q", format, got, want)
		}
	}
}

// takesBoth says whether a call is given a text in both languages, English
// first, and whether they are formats.
func takesBoth(call *ast.CallExpr) (texts, formats bool) {
	if len(call.Args) < 2 {
		return false, false
	}
	name, pkg := "", ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
		if x, ok := f.X.(*ast.Ident); ok {
			pkg = x.Name
		}
	}
	switch name {
	case "T":
		return pkg == "lang", false
	case "Textf", "Errorf":
		return pkg == "lang", true
	case "usage", "tell":
		return true, true
	}
	return false, false
}

// TestBothLanguages holds the two sides of each text to one another: both are
// there, and what is formatted prints the same arguments in both.
func TestBothLanguages(t *testing.T) {
	eachFile(t, func(path string, set *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if texts, formats := takesBoth(n); texts {
					en, enOK := literal(n.Args[0])
					ko, koOK := literal(n.Args[1])
					if !enOK || !koOK {
						return true
					}
					if en == "" || ko == "" {
						t.Errorf("%s: a text in one language only", set.Position(n.Pos()))
					}
					if formats && used(en) != used(ko) {
						t.Errorf("%s: English prints the arguments %s, Korean %s", set.Position(n.Pos()), used(en), used(ko))
					}
				}
			case *ast.CompositeLit:
				if s, ok := n.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Text" && len(n.Elts) == 1 {
					t.Errorf("%s: a text in one language only", set.Position(n.Pos()))
				}
			case *ast.StructType:
				if fields := fieldNames(n); fields == "EN KO" && !strings.HasSuffix(path, "internal/lang/text.go") {
					t.Errorf("%s: texts in two languages are lang.Text, everywhere", set.Position(n.Pos()))
				}
			}
			return true
		})
	})
}

// literal is the value of a string that is written out.
func literal(e ast.Expr) (string, bool) {
	b, ok := e.(*ast.BasicLit)
	if !ok || b.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(b.Value)
	return s, err == nil
}

func fieldNames(s *ast.StructType) string {
	var names []string
	for _, f := range s.Fields.List {
		for _, n := range f.Names {
			names = append(names, n.Name)
		}
	}
	return strings.Join(names, " ")
}

// TestKoreanTerms holds the Korean of the program to the terms that labs are held to; see
// package terms.
func TestKoreanTerms(t *testing.T) {
	eachFile(t, func(path string, set *token.FileSet, file *ast.File) {
		if within := short(path); strings.HasPrefix(within, "internal/terms/") || strings.HasPrefix(within, "internal/lang/") {
			return // they are about words
		}
		ast.Inspect(file, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			text, _ := literal(e)
			for _, s := range terms.In(text) {
				t.Errorf("%s:%d: %q: write %s", short(path), set.Position(n.Pos()).Line+s.Line-1, s.Found, s.Right)
			}
			return true
		})
	})
}

// inKorean are the files whose errors nori prints. inEnglish are the folders and
// the texts among them that nobody who uses it comes to see, and why.
var (
	inKorean  = []string{"provision/preflight/", "provision/distro/", "provision/kvm/", "provision/nspawn/", "cmd/nori/", "testbed/", "cluster/install/", "cluster/images/", "cluster/registry/", "cluster/dns/answering.go"}
	inEnglish = map[string]string{
		"testbed/e2e/":             "it is a test",
		"testbed/e2e/load/":        "it is a part of one",
		"testbed/conformance/":     "it is a test",
		"testbed/release/":         "only who makes the package comes to see it",
		"cluster/registry/server/": "it runs on the machines, and its log is English like all of theirs",
		"building images: CacheDir and BinDir must be set": "it is a mistake in the caller's code",
	}
)

var words = regexp.MustCompile(`\pL{2,}`)

// TestErrorsInBothLanguages: an error with words of its own is made by
// lang.Errorf, so that it says itself in the language that was chosen.
func TestErrorsInBothLanguages(t *testing.T) {
	within := func(name string) bool {
		return slices.ContainsFunc(inKorean, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) &&
			inEnglish[filepath.Dir(name)+"/"] == ""
	}
	eachFile(t, func(path string, set *token.FileSet, file *ast.File) {
		if !within(short(path)) {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || f.Sel.Name != "Errorf" && f.Sel.Name != "New" {
				return true
			}
			pkg, ok := f.X.(*ast.Ident)
			if !ok || pkg.Name != "fmt" && pkg.Name != "errors" {
				return true
			}
			text, ok := literal(call.Args[0])
			if (!ok || words.MatchString(verb.ReplaceAllString(text, ""))) && inEnglish[text] == "" {
				t.Errorf("%s:%d: an error in English alone: make it by lang.Errorf", short(path), set.Position(n.Pos()).Line)
			}
			return true
		})
	})
}
