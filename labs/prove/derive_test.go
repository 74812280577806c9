package prove

import (
	"slices"
	"strings"
	"testing"

	"noriter.dev/noriter/labs/content"
	"noriter.dev/noriter/labs/format"
)

func TestStatements(t *testing.T) {
	for script, want := range map[string]string{
		"kubectl create deployment web\nkubectl rollout status deployment/web\nip=$(kubectl get pods -o name)\nkubectl exec c -- wget \"$ip\"\n": "1 0 0 1",
		"kubectl delete rs web --ignore-not-found\nsed -i s/a/b/ f\nkubectl -n x apply -f f\nsleep 5\n":                                          "0 1 1 0",
		"kubectl apply -f - <<END\na: 1\nkubectl delete\nEND\nkubectl wait pod/x\n":                                                              "1 0",
		"nori ssh node1 -- curl -s u\nnori ssh control -- cat c > d\nnori ssh node1 -- 'cat > f' < d\n":                                          "0 0 1",
		"nori ssh node1 -- cat f | nori ssh node2 -- 'cat > f'\n":                                                                                "1",
	} {
		all, err := statements("s", script)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range all {
			got = append(got, map[bool]string{true: "1", false: "0"}[s.acts])
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%q: %s, want %s", script, g, want)
		}
	}
	all, err := statements("s", "a <<END\n1\nEND\nb\n# why\nc\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := without(all, 1); got != "a <<END\n1\nEND\nc\n" {
		t.Errorf("without the second: %q", got)
	}
	if _, err := statements("s", "if"); err == nil {
		t.Error("no error for what is no script")
	}
}

// TestEveryLabHasDerivedWays looks for some ways that must be among them, and none that
// can't be meant.
func TestEveryLabHasDerivedWays(t *testing.T) {
	all, err := format.LoadAll(content.FS)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, lab := range all {
		ways, err := derivedWays(lab)
		if err != nil {
			t.Fatal(err)
		}
		if len(ways) < 10 {
			t.Errorf("%s: %d ways", lab.ID, len(ways))
		}
		for _, w := range ways {
			names = append(names, lab.ID+" "+strings.TrimPrefix(w.name, Derived+"/"))
		}
	}
	t.Logf("%d ways", len(names))
	for _, want := range []string{"nodeport nobody/matched", "nodeport nobody/orphaned", "nodeport pods/without-1", "replicasets create/scaled",
		"pods first/gone-pod-hello", "ingress hosts/elsewhere", "imagepullbackoff secret/without-1", "daemonsets undo/twice"} {
		if !slices.Contains(names, want) {
			t.Errorf("no way %s", want)
		}
	}
	for _, unwanted := range []string{"daemonsets join/elsewhere", "ingress fallback/elsewhere", "daemonsets each/scaled", "replicasets cascade/gone-replicaset-web"} {
		if slices.Contains(names, unwanted) {
			t.Errorf("a way %s", unwanted)
		}
	}
}
