// Package rules holds the project's own architecture to what its design says.
// Each ban carries its reason.
package rules

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

const module = "noriter.dev/noriter/"

// pkg is what `go list` tells of a package.
type pkg struct {
	ImportPath, Dir, Doc string
	Imports              []string
	GoFiles              []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports,GoFiles", module+"...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// ban forbids packages below from to import what starts with to.
type ban struct {
	from, to string
	// but lists the packages that may, except those below to that may be imported.
	but, except []string
	why         string
}

var bans = []ban{
	{from: "provision/", to: "k8s.io/", why: "machines know nothing of Kubernetes; whoever reads the provisioner must not have to"},
	{from: "provision/", to: module + "cluster/", why: "imports point one way: cmd, labs, testbed, cluster/install, provision"},
	{from: "provision/", to: module + "testbed", why: "imports point one way"},
	{from: "provision/", to: module + "labs", why: "imports point one way"},
	{from: "provision/machine", to: module, except: []string{"internal"}, why: "the seam is a leaf"},
	{from: "internal", to: module, except: []string{"internal"}, why: "what every area may import must import none of them"},
	{from: "cluster/", to: module + "testbed", why: "imports point one way"},
	{from: "cluster/", to: module + "labs", why: "imports point one way"},
	{from: "testbed", to: module + "labs", why: "imports point one way"},
	{from: "cheatsheets", to: module + "labs", why: "pages are leaves: labs/screen shows them and labs/lint looks for mistakes"},
	{from: "cheatsheets", to: module + "testbed", why: "pages are leaves: the end-to-end tests type what is on them"},
	{from: "", to: "k8s.io/kubernetes/cmd/", why: "the assembly of a program is what we write ourselves"},
	{from: "", to: "k8s.io/kubernetes/pkg/scheduler", why: "the scheduler is what is being taught"},
	{from: "", to: "k8s.io/kubernetes/pkg/kubelet", why: "the node agent is what is being taught"},
	{from: "", to: "k8s.io/kubernetes/pkg/proxy", why: "the service proxy is what is being taught"},
	{from: "", to: "k8s.io/kubernetes/pkg/controller/replicaset", why: "the control loop is what is being taught"},
	{from: "", to: "k8s.io/kubernetes/pkg/controller/deployment", why: "the control loop is what is being taught"},
	{from: "", to: "k8s.io/kubernetes/pkg/controller/daemon", why: "the control loop is what is being taught"},
	{from: "", to: "k8s.io/kubernetes/pkg/controller/endpointslice", why: "the control loop is what is being taught"},
	{from: "", to: "k8s.io/kubernetes/pkg/controller/nodelifecycle", why: "the control loop is what is being taught"},
	{from: "", to: "go.etcd.io/etcd", but: []string{"cluster/apiserver", "cluster/etcd"}, why: "only the API server talks to the store"},
	{from: "cluster/scheduler", to: module + "cluster/controllers", why: "components meet only through the API"},
	{from: "cluster/scheduler", to: module + "cluster/agent", why: "components meet only through the API"},
	{from: "cluster/controllers", to: module + "cluster/scheduler", why: "components meet only through the API"},
	{from: "cluster/controllers", to: module + "cluster/agent", why: "components meet only through the API"},
	{from: "cluster/agent", to: module + "cluster/controllers", why: "components meet only through the API"},
	{from: "cluster/agent", to: module + "cluster/scheduler", why: "components meet only through the API"},
	{from: "cluster/agent", to: module + "cluster/proxy", why: "components meet only through the API"},
	{from: "cluster/proxy", to: module + "cluster/agent", why: "components meet only through the API"},
	{from: "cluster/proxy", to: module + "cluster/controllers", why: "components meet only through the API"},
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, b := range bans {
			if !strings.HasPrefix(from, b.from) || within(from, b.but) {
				continue
			}
			for _, imp := range p.Imports {
				if below(imp, b.to) && !strings.HasPrefix(imp, module+b.from+"/") && imp != p.ImportPath &&
					!within(strings.TrimPrefix(imp, module), b.except) {
					t.Errorf("%s imports %s: %s", from, imp, b.why)
				}
			}
		}
	}
}

// below tells whether a package is dir or lies in it. Names that only begin alike are others:
// of endpointslice and endpointslicemirroring one is taught here, the other is not.
func below(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

func within(from string, dirs []string) bool {
	for _, d := range dirs {
		if below(from, d) {
			return true
		}
	}
	return false
}

func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && strings.TrimSpace(p.Doc) == "" {
			t.Errorf("%s has no package comment", strings.TrimPrefix(p.ImportPath, module))
		}
	}
}

// TestTopLevel keeps the top of the tree to what was agreed on.
func TestTopLevel(t *testing.T) {
	allowed := map[string]bool{
		"labs": true, "provision": true, "cluster": true, "cheatsheets": true, "cmd": true, "testbed": true, "internal": true,
		"go.mod": true, "go.sum": true, "Vagrantfile": true, "README.md": true, "Makefile": true, "LICENSE": true,
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
