package rules

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestKubernetesImportNames: a package of Kubernetes has one name in the whole project,
// so that a reader who knows v1.Pod in one file knows it in all.
func TestKubernetesImportNames(t *testing.T) {
	used := map[string]map[string][]string{} // import path → name → files
	own := map[string]bool{}                 // paths that some file imports without a name
	eachGoFile(t, func(file string, _ *token.FileSet, parsed *ast.File) {
		for _, imp := range parsed.Imports {
			pkg, name := importOf(imp)
			if !isKubernetes(pkg) || name == "_" {
				continue
			}
			if used[pkg] == nil {
				used[pkg] = map[string][]string{}
			}
			if want := required(pkg); want != "" {
				if name != want {
					t.Errorf("%s imports %s as %q: it is %s everywhere", short(file), pkg, name, want)
				}
				continue
			}
			switch {
			case name == "":
				own[pkg] = true
			case shares(parsed, pkg):
				used[pkg][name] = append(used[pkg][name], short(file)) // it can't have its own name there
			default:
				used[pkg][name] = append(used[pkg][name], short(file))
				used[pkg][""] = append(used[pkg][""], short(file))
			}
		}
	})
	for _, pkg := range slices.Sorted(maps.Keys(used)) {
		needless := used[pkg][""]
		delete(used[pkg], "")
		if len(used[pkg]) > 1 {
			t.Errorf("%s has several names: %s", pkg, several(used[pkg]))
		}
		if own[pkg] && len(needless) > 0 {
			t.Errorf("%s needs no other name, as elsewhere, in %s", pkg, strings.Join(needless, ", "))
		}
	}
}

func isKubernetes(pkg string) bool {
	return strings.HasPrefix(pkg, "k8s.io/") || strings.HasPrefix(pkg, "sigs.k8s.io/")
}

// apiGroup matches the packages of API groups, and those of clients for them.
var apiGroup = regexp.MustCompile(`^k8s\.io/(api|client-go/kubernetes/typed)/(\w+)/(v\w+)$`)

// required is the name that a package must have, if one is laid down: as in Kubernetes'
// own code (hack/.import-aliases), API groups are named by group and version, but core/v1
// is v1, and so are their clients with "typed" before it.
func required(pkg string) string {
	switch pkg {
	case "k8s.io/api/core/v1":
		return "v1"
	case "k8s.io/apimachinery/pkg/apis/meta/v1":
		return "metav1"
	case "k8s.io/apimachinery/pkg/api/errors":
		return "apierrors"
	}
	m := apiGroup.FindStringSubmatch(pkg)
	switch {
	case m == nil:
		return ""
	case m[1] == "api":
		return m[2] + m[3]
	}
	return "typed" + m[2] + m[3]
}

func TestRequired(t *testing.T) {
	for pkg, want := range map[string]string{
		"k8s.io/api/core/v1": "v1", "k8s.io/api/apps/v1": "appsv1", "k8s.io/client-go/kubernetes/typed/core/v1": "typedcorev1",
		"k8s.io/client-go/kubernetes": "", "k8s.io/apimachinery/pkg/api/errors": "apierrors",
	} {
		if got := required(pkg); got != want {
			t.Errorf("%s: got %q, want %q", pkg, got, want)
		}
	}
}

// importOf is an import's path and the name that the file gives it, if it does.
func importOf(imp *ast.ImportSpec) (pkg, name string) {
	pkg, _ = strconv.Unquote(imp.Path.Value) // the parser has seen to it
	if imp.Name != nil {
		name = imp.Name.Name
	}
	return pkg, name
}

// shares tells whether a file imports another package, of whatever origin, whose path
// ends like that of pkg.
func shares(file *ast.File, pkg string) bool {
	return slices.ContainsFunc(file.Imports, func(imp *ast.ImportSpec) bool {
		other, _ := importOf(imp)
		return other != pkg && path.Base(other) == path.Base(pkg)
	})
}

// several lists names with the number of files of the most frequent one, and the files of
// all others.
func several(names map[string][]string) string {
	byUse := slices.SortedFunc(maps.Keys(names), func(a, b string) int { return len(names[b]) - len(names[a]) })
	out := []string{fmt.Sprintf("%q in %d files", byUse[0], len(names[byUse[0]]))}
	for _, n := range byUse[1:] {
		out = append(out, fmt.Sprintf("%q in %s", n, strings.Join(names[n], ", ")))
	}
	return strings.Join(out, "; ")
}

// logCalls are the functions that take a message and then keys and values, with the
// number of arguments before the first key.
var logCalls = map[string]int{
	"slog.Debug": 1, "slog.Info": 1, "slog.Warn": 1, "slog.Error": 1, "slog.With": 0,
	"slog.DebugContext": 2, "slog.InfoContext": 2, "slog.WarnContext": 2, "slog.ErrorContext": 2,
	"log.Debug": 1, "log.Info": 1, "log.Warn": 1, "log.Error": 1, "log.With": 0,
	"klog.InfoS": 1, "klog.ErrorS": 2, "trace.Decide": 4,
}

var keyForm = regexp.MustCompile(`^[a-z][a-zA-Z]*$`)

// otherWords are keys that say what another key says.
var otherWords = map[string]string{"err": "error", "ns": "namespace", "duration": "took", "elapsed": "took"}

// TestLogKeys: whoever looks for something in the journal needs to know one word for it.
func TestLogKeys(t *testing.T) {
	spellings := map[string]string{} // in small letters → as first seen
	eachFile(t, func(file string, set *token.FileSet, parsed *ast.File) {
		ast.Inspect(parsed, func(n ast.Node) bool {
			for _, arg := range keys(n) {
				key, ok := literal(arg)
				if !ok {
					continue
				}
				where, small := set.Position(arg.Pos()), strings.ToLower(key)
				if spellings[small] == "" {
					spellings[small] = key
				}
				switch {
				case !keyForm.MatchString(key):
					t.Errorf("%s: the key %q of a log line is not in lowerCamelCase", where, key)
				case otherWords[key] != "":
					t.Errorf("%s: the key %q of a log line is %q everywhere else", where, key, otherWords[key])
				case spellings[small] != key:
					t.Errorf("%s: the key %q of a log line is %q elsewhere", where, key, spellings[small])
				}
			}
			return true
		})
	})
}

// keys are the arguments of a call that are keys of a log line.
func keys(n ast.Node) (out []ast.Expr) {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return nil
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	on := ""
	switch x := f.X.(type) {
	case *ast.Ident: // slog.Info
		on = x.Name
	case *ast.SelectorExpr: // l.log.Info
		on = x.Sel.Name
	}
	first, ok := logCalls[on+"."+f.Sel.Name]
	if !ok || call.Ellipsis.IsValid() {
		return nil
	}
	for i := first; i < len(call.Args); i += 2 {
		out = append(out, call.Args[i])
	}
	return out
}

var subject = regexp.MustCompile(`^[a-z0-9./_-]+(, [a-z0-9./_-]+)*: [a-z]`)

// TestCommitSubjects looks at the last commits: "scheduler: give each plugin a file". A
// clone without a history, or with a short one, has fewer to look at.
func TestCommitSubjects(t *testing.T) {
	git := exec.Command("git", "log", "--no-merges", "-50", "--format=%h %s")
	git.Dir = top
	out, err := git.Output()
	if err != nil {
		t.Skip("there is no history here:", err)
	}
	for line := range strings.Lines(string(out)) {
		hash, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !subject.MatchString(text) {
			t.Errorf("commit %s: the subject %q is not of the form \"package: verb …\"", hash, text)
		}
	}
}
