package prove

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"noriter.dev/noriter/labs/content"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/labtest"
)

// scripts are the derived ways of a lab by name, with what would be typed.
func scripts(t *testing.T, lab *format.Lab) map[string]string {
	t.Helper()
	all, err := solutions(lab)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for i := range all {
		for _, kind := range shortcuts {
			for _, a := range kind.scripts(&all[i]) {
				out[derived(&all[i], kind, a).name] = a.script
			}
		}
	}
	return out
}

// TestScriptsOfShortcuts looks at what is typed in one way of each newer kind, and at steps
// where a kind would say nothing.
func TestScriptsOfShortcuts(t *testing.T) {
	typed := map[string]map[string]string{}
	for _, c := range []struct {
		lab, way string
		want     []string // none: there must be no such way
	}{
		{"01-pods", "first/otherwise-replace", []string{"change=replace\n", "kubectl run hello --image=noriter/hello:v1"}},
		{"02-replicasets", "scale/otherwise-edit", []string{"change=edit\n"}},
		{"01-pods", "look/otherwise-patch", []string{"change=patch\n"}},
		{"01-pods", "labels/otherwise-edit", []string{"change=edit\n"}}, // what is taken away can't be merged
		{"01-pods", "restart/otherwise-replace", nil},
		{"03-nodeport", "nobody/answered", []string{"get service cart ", "--labels=imitation=true,\"${labels%,}\""}},
		{"03-nodeport", "pods/answered", []string{"imitation=true,app=web ", "\nkubectl exec client", "ip=$(kubectl"}},
		{"06-imagepullbackoff", "secret/answered", []string{"MESSAGE='Menu of the day version v3'"}},
		{"01-pods", "two/answered", []string{"kubectl run duo ", "PORT=80"}},
		{"01-pods", "first/answered", nil}, // it is a bare pod
		{"05-daemonsets", "read/printed-reads", []string{"--labels=app=collector", `template.metadata.labels.app=="collector"`}},
		{"03-nodeport", "manifest/named-service-web", []string{"\n  name: web-x\n", "app: web\n"}},
		{"01-pods", "first/named-pod-hello", []string{"kubectl run hello-x --image=noriter/hello:v1"}},
		{"02-replicasets", "scale/named-replicaset-web", nil}, // it makes nothing
		{"01-pods", "first/versioned-v2", []string{"noriter/hello:v2"}},
		{"04-ingress", "canary/versioned-v1", []string{"image: noriter/hello:v1", "name: shop-v2"}},
		{"06-imagepullbackoff", "processor/versioned-v1", []string{"team/menu:v1\n"}},
		{"05-daemonsets", "update/versioned-v1", []string{"VERSION=v1"}},
		{"06-imagepullbackoff", "host/machine", []string{"nori ssh node2 --"}},
		{"06-imagepullbackoff", "move/machine", []string{`"kubernetes.io/hostname":"node1"`, "ssh node2 -- 'grep", "ssh node1 -- 'cat"}},
		{"06-imagepullbackoff", "tag/machine", nil}, // it only looks there
		{"04-ingress", "canary/written-ingress-nginx-ingress-kubernetes-io-canary", []string{"kubectl annotate ingress --all --overwrite 'nginx.ingress.kubernetes.io/canary=true'"}},
		{"05-daemonsets", "control/written-pod-app", []string{"kubectl label pod --all --overwrite 'app=collector'"}},
		{"02-replicasets", "heal/written-pod-app", nil}, // they have it
		{"06-imagepullbackoff", "secret/pulled", []string{"kubectl patch deploy menu", "--user learner:playground"}},
		{"06-imagepullbackoff", "authority/tagged", []string{"kubectl set image deploy/menu", "images tag --force docker.io/noriter/hello:v2"}},
		{"06-imagepullbackoff", "tag/tagged", nil}, // it settles nothing there
		{"02-replicasets", "template/tagged", nil}, // nobody goes to the machines there
		{"03-nodeport", "outside/early", []string{"kubectl patch service web"}},
		{"03-nodeport", "pods/early", nil}, // nothing is before it
	} {
		if typed[c.lab] == nil {
			lab, err := format.Load(content.FS, c.lab)
			if err != nil {
				t.Fatal(err)
			}
			typed[c.lab] = scripts(t, lab)
		}
		script, ok := typed[c.lab][c.way]
		if ok != (c.want != nil) {
			t.Errorf("%s %s: derived is %v", c.lab, c.way, ok)
		}
		for _, w := range c.want {
			if !strings.Contains(script, w) {
				t.Errorf("%s %s: no %q in:\n%s", c.lab, c.way, w, script)
			}
		}
	}
}

// TestWhatIsLeftOut sees that by hand and by bare pods nothing of the solution is done.
func TestWhatIsLeftOut(t *testing.T) {
	for way, unwanted := range map[string]string{
		"03-nodeport pods/answered":             "create deployment",
		"06-imagepullbackoff authority/tagged":  "certs.d",
		"06-imagepullbackoff secret/pulled":     "create secret",
		"06-imagepullbackoff tag/pulled":        "set image",
		"05-daemonsets control/written-pod-app": "apply",
	} {
		folder, name, _ := strings.Cut(way, " ")
		lab, err := format.Load(content.FS, folder)
		if err != nil {
			t.Fatal(err)
		}
		if script := scripts(t, lab)[name]; script == "" || strings.Contains(script, unwanted) {
			t.Errorf("%s has %q:\n%s", way, unwanted, script)
		}
	}
}

// demoWith is the demo lab with one text in its lab.yaml replaced.
func demoWith(t *testing.T, from, to string) fstest.MapFS {
	t.Helper()
	fsys := labtest.DemoFS()
	old := string(fsys["demo/lab.yaml"].Data)
	if !strings.Contains(old, from) {
		t.Fatalf("no %q", from)
	}
	fsys["demo/lab.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(old, from, to, 1))}
	return fsys
}

func TestFileOnAMachineWrittenByHand(t *testing.T) {
	lab, err := format.Load(demoWith(t, "exec: {pod: p, command: [cat, /two]}\n        expr: code == 0",
		"node: {on: node1, run: cat /etc/two}\n        expr: stdout.contains(\"2 of them\")"), "demo")
	if err != nil {
		t.Fatal(err)
	}
	if got := scripts(t, lab)["two/written-written"]; !strings.Contains(got, `nori ssh node1 -- "echo '2 of them' > /etc/two"`) {
		t.Errorf("typed is %q", got)
	}
}

// TestAllowedNamesWhatIsDerived holds `allowed` against the kinds, and against the ways.
func TestAllowedNamesWhatIsDerived(t *testing.T) {
	const there = "way: two/early"
	for with, want := range map[string]string{
		"way: two/erly":                  "no such kind of way; there are without, ",
		"way: two/gone-pod-q":            "is no way that is derived from it",
		"ways: [two/early, two/matched]": "is no way that is derived from it",
		"ways: []":                       "want a way",
		"ways: [two/early, one/ahead]":   "",
	} {
		lab, err := format.Load(demoWith(t, there, with), "demo")
		if err == nil {
			_, err = derivedWays(lab)
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", with, err, want)
		}
	}
}

// TestKindsHaveOneList sees that what a lab may name is what there is.
func TestKindsHaveOneList(t *testing.T) {
	var kinds []string
	for _, s := range shortcuts {
		kinds = append(kinds, s.kind)
	}
	if kinds = append(kinds, "ahead"); !slices.Equal(kinds, format.Shortcuts) {
		t.Errorf("derived are %v, a lab may name %v", kinds, format.Shortcuts)
	}
}

func TestCountByKind(t *testing.T) {
	got := CountByKind([]Outcome{
		{Kind: "twice", Must: MustPass, OK: true}, {Kind: "wrong", Must: MustFail, OK: true},
		{Kind: "twice", Must: Allowed, OK: true}, {Kind: "twice", Must: MustPass},
	})
	want := []Count{{Kind: "twice", Tried: 3, Passed: 1, Allowed: 1, Broken: 1}, {Kind: "wrong", Tried: 1, Failed: 1}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}
