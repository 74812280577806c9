package rules

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ban forbids packages below from to import what is below to. Tests may.
type ban struct {
	from, to string
	// but lists the packages that may, except those below to that may be imported.
	but, except []string
	why         string
}

const (
	oneWay   = "imports point one way: cmd, labs, testbed, cluster/install, provision"
	taught   = "it is what is being taught: whoever wants to know how it works finds it here"
	pages    = "pages are leaves: labs/screen shows them, labs/lint looks for mistakes, the end-to-end tests type what is on them"
	byTheAPI = "components meet only through the API: each can be stopped, or replaced, alone"
)

var bans = append([]ban{
	{from: "provision", to: "k8s.io", why: "machines know nothing of Kubernetes; whoever reads the provisioner must not have to"},
	{from: "provision", to: module + "cluster", why: oneWay},
	{from: "provision", to: module + "testbed", why: oneWay},
	{from: "provision", to: module + "labs", why: oneWay},
	{from: "cluster", to: module + "testbed", why: oneWay},
	{from: "cluster", to: module + "labs", why: oneWay},
	{from: "testbed", to: module + "labs", why: oneWay},
	{from: "cheatsheets", to: module + "labs", why: pages},
	{from: "cheatsheets", to: module + "testbed", why: pages},
	{from: "provision/machine", to: module, except: []string{"internal"}, why: "the seam between a machine and all that uses it is a leaf"},
	{from: "internal", to: module, except: []string{"internal"}, why: "what every area may import must import none of them"},
	{from: "", to: "go.etcd.io/etcd", but: []string{"cluster/apiserver", "cluster/etcd"}, why: "only the API server talks to the store"},
	{from: "", to: "k8s.io/kubernetes/cmd", why: "the assembly of a program is what we write ourselves"},
	{from: "", to: "k8s.io/kubernetes/pkg/scheduler", why: taught},
	{from: "", to: "k8s.io/kubernetes/pkg/kubelet", why: taught},
	{from: "", to: "k8s.io/kubernetes/pkg/proxy", why: taught},
	{from: "", to: "k8s.io/kubernetes/pkg/controller/replicaset", why: taught},
	{from: "", to: "k8s.io/kubernetes/pkg/controller/replication", why: taught},
	{from: "", to: "k8s.io/kubernetes/pkg/controller/deployment", why: taught},
	{from: "", to: "k8s.io/kubernetes/pkg/controller/daemon", why: taught},
	{from: "", to: "k8s.io/kubernetes/pkg/controller/endpointslice", why: taught},
	{from: "", to: "k8s.io/kubernetes/pkg/controller/nodelifecycle", why: taught},
	{from: "", to: "k8s.io/kubernetes/pkg/controller/tainteviction", why: taught},
	{from: "", to: "k8s.io/kubernetes/pkg/controller/nodeipam", why: taught},
	{from: "", to: "k8s.io/kubernetes/pkg/controller/podgc", why: taught},
}, apart(byTheAPI, "cluster/scheduler", "cluster/controllers", "cluster/agent", "cluster/proxy", "cluster/ingress")...)

// apart forbids each of the packages to import any other of them.
func apart(why string, packages ...string) (out []ban) {
	for _, from := range packages {
		for _, to := range packages {
			if from != to {
				out = append(out, ban{from: from, to: module + to, why: why})
			}
		}
	}
	return out
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, b := range bans {
			if !below(from, b.from) || within(from, b.but) {
				continue
			}
			for _, imp := range p.Imports {
				if below(imp, b.to) && !below(imp, module+b.from) && !within(strings.TrimPrefix(imp, module), b.except) {
					t.Errorf("%s imports %s: %s", from, imp, b.why)
				}
			}
		}
	}
}

// below tells whether a package is dir or lies in it; everything lies in "". Names that
// only begin alike are others: of endpointslice and endpointslicemirroring one is taught
// here, the other is not.
func below(path, dir string) bool {
	return dir == "" || path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

func within(from string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return below(from, d) })
}

var update = flag.Bool("update", false, "write the table of imports into ARCHITECTURE.md")

// TestImportsAreDocumented holds the table in ARCHITECTURE.md to the one above.
func TestImportsAreDocumented(t *testing.T) {
	const begin, end = "<!-- imports: begin -->\n", "<!-- imports: end -->\n"
	path := filepath.Join(top, "ARCHITECTURE.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	have, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("ARCHITECTURE.md lacks the lines\n%s%s", begin, end)
	}
	want := table(bans)
	if have == want {
		return
	}
	if !*update {
		t.Fatal("the table of imports in ARCHITECTURE.md is not that of the rules: go test ./testbed/rules -run Imports -update")
	}
	if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// table is the bans for readers: a row for each reason of each package.
func table(bans []ban) string {
	var out strings.Builder
	out.WriteString("\n| who | does not import | because |\n|---|---|---|\n")
	done := map[string]bool{}
	for _, b := range bans {
		who, what := from(b), "each other"
		same := slices.DeleteFunc(slices.Clone(bans), func(o ban) bool { return o.why != b.why })
		if among := distinct(same, func(o ban) string { return o.from }); eachOther(same, among) {
			who = quoted(among)
		} else {
			same = slices.DeleteFunc(same, func(o ban) bool { return from(o) != who })
			what = to(distinct(same, func(o ban) string { return o.to }), b.except)
		}
		if row := fmt.Sprintf("| %s | %s | %s |\n", who, what, b.why); !done[row] {
			done[row] = true
			out.WriteString(row)
		}
	}
	out.WriteString("\n")
	return out.String()
}

// eachOther tells whether the bans are those that keep some packages apart, and no more.
func eachOther(bans []ban, among []string) bool {
	return len(among) > 1 && slices.EqualFunc(bans, apart("", among...), func(a, b ban) bool { return a.from == b.from && a.to == b.to })
}

func distinct(bans []ban, of func(ban) string) (out []string) {
	for _, b := range bans {
		if s := of(b); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func from(b ban) string {
	switch {
	case b.from == "" && b.but != nil:
		return "everything but " + quoted(b.but)
	case b.from == "":
		return "everything"
	}
	return quoted([]string{b.from})
}

// to names packages in short: ours without the module's name, those of Kubernetes
// behind its.
func to(packages, except []string) string {
	if packages[0] == module {
		return "what is ours, but for " + quoted(except)
	}
	var ours, theirs []string
	for _, p := range packages {
		if upstream, ok := strings.CutPrefix(p, "k8s.io/kubernetes/"); ok {
			theirs = append(theirs, upstream)
		} else {
			ours = append(ours, strings.TrimPrefix(p, module))
		}
	}
	if theirs != nil {
		return strings.TrimPrefix(quoted(ours)+", of `k8s.io/kubernetes`: "+quoted(theirs), ", ")
	}
	return quoted(ours)
}

// quoted is a list in Markdown.
func quoted(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, "`"+n+"`")
	}
	return strings.Join(out, ", ")
}
