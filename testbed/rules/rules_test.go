// Package rules holds the project to what ARCHITECTURE.md and CONTRIBUTING.md say of it:
// who may import whom, what the documents name, and conventions. Each rule carries its
// reason, and says what to do instead.
package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
)

const module = "noriter.dev/noriter/"

// pkg is what `go list` tells of a package.
type pkg struct {
	ImportPath, Dir, Doc string
	Imports              []string
	GoFiles              []string
}

// packages are all of the project's, from one run of `go list` for all tests.
func packages(t *testing.T) []pkg {
	t.Helper()
	all, err := goList()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var goList = sync.OnceValues(func() ([]pkg, error) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports,GoFiles", module+"...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, fmt.Errorf("go list: %s", exit.Stderr)
		}
		return nil, err
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && strings.TrimSpace(p.Doc) == "" {
			t.Errorf("%s has no package comment", strings.TrimPrefix(p.ImportPath, module))
		}
	}
}

// TestPackageCommentsPlace: a package's comment is where a reader looks for it: in
// doc.go, in the file of the package's name, or in main.go.
func TestPackageCommentsPlace(t *testing.T) {
	eachFile(t, func(file string, _ *token.FileSet, parsed *ast.File) {
		name := filepath.Base(file)
		if parsed.Doc == nil || !strings.HasPrefix(parsed.Doc.Text(), "Package ") && !strings.HasPrefix(parsed.Doc.Text(), "Command ") {
			return
		}
		if name != "doc.go" && name != "main.go" && name != parsed.Name.Name+".go" {
			t.Errorf("%s has its package's comment: move it to doc.go or to %s.go", short(file), parsed.Name.Name)
		}
	})
}

// TestTopLevel keeps the top of the tree to what was agreed on.
func TestTopLevel(t *testing.T) {
	allowed := map[string]bool{
		"labs": true, "provision": true, "cluster": true, "cheatsheets": true, "cmd": true, "testbed": true, "internal": true,
		"go.mod": true, "go.sum": true, "Vagrantfile": true, "Makefile": true, "LICENSE": true,
		"README.md": true, "ARCHITECTURE.md": true, "CONTRIBUTING.md": true, "SECURITY.md": true,
		"bin": true,
	}
	entries, err := filepath.Glob("../../*")
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(entries)
	for _, e := range entries {
		if name := filepath.Base(e); !strings.HasPrefix(name, ".") && !allowed[name] {
			t.Errorf("%s does not belong at the top of the tree", filepath.Base(e))
		}
	}
}
