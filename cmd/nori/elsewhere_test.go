package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/learner"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/screen"
	"noriter.dev/noriter/labs/skeleton"
	"noriter.dev/noriter/testbed"
)

// declared is a testbed that is only declared, in a home of its own.
func declared(t *testing.T) *testbed.Testbed {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NORI_HOME", dir)
	for name, text := range map[string]string{
		"state.json": `{"spec":{"name":"x","driver":"nspawn","nodes":1},"subnet":"10.77.1.0/24"}`,
		"pki/admin.conf": `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://10.0.0.1:6443", certificate-authority-data: QQ==}}]
users: [{name: u, user: {}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`} {
		path := filepath.Join(dir, "testbeds/x", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	bed, err := testbed.Open(testbed.Home{Dir: dir}, "x")
	if err != nil {
		t.Fatal(err)
	}
	return bed
}

// elsewhere is a lab of somebody's, with a script that runs by itself.
func elsewhere(t *testing.T) string {
	t.Helper()
	dir, err := skeleton.Write(t.TempDir(), "evil")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "lab.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const words = "expect: {en: a, ko: 가}, explain: {en: b, ko: 나}, fact: {en: c, ko: 다}"
	text := strings.Replace(string(data), "    checks:\n", "    checks:\n      - {id: look, script: {run: look.sh}, expr: code == 0, "+words+"}\n"+
		"      - {id: ask, http: {url: 'http://elsewhere.example/{{ns}}'}, expr: status == 200, "+words+"}\n", 1)
	if err := errors.Join(os.WriteFile(file, []byte(text), 0o644), os.WriteFile(filepath.Join(dir, "look.sh"), []byte("id\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestLabFromElsewhereIsAskedAbout: nothing of it runs before the learner has agreed, who
// is asked once for each content, and told what runs where.
func TestLabFromElsewhereIsAskedAbout(t *testing.T) {
	var out bytes.Buffer
	g := &globals{stdin: strings.NewReader("yes\n"), stdout: &out, stderr: &out, bed: declared(t)}
	desk, err := g.bed.Desk(nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := elsewhere(t)
	agree := func() (*labs.Env, error) {
		l, err := labAt(dir)
		if err != nil {
			t.Fatal(err)
		}
		env := &labs.Env{In: g.stdin, Out: g.stdout, Err: g.stderr, User: desk.User, Agreed: desk.Agreed(), Kubeconfig: g.bed.Kubeconfig()}
		out.Reset()
		return env, g.agree(env, screen.New(env, true, true), l.Path, l.Hash, l.Effects())
	}
	refused := func(when string) {
		t.Helper()
		_, err := agree()
		var usage *testbed.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), "--trust") {
			t.Errorf("%s: %v", when, err)
		}
		for _, want := range []string{dir, "look.sh", "solution/01-paint.sh", "wrong/pink.sh", "Pod greeter", "noriter/", "lab-evil"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is not said in\n%s", when, want, out.String())
			}
		}
	}
	refused("at first")
	refused("again")
	g.trust = true
	env, err := agree()
	if err != nil {
		t.Fatal(err)
	}
	if hands, _ := env.Scripter(); os.Geteuid() == 0 && (hands == nil || hands.Name != "nobody" || !strings.Contains(out.String(), "as nobody")) {
		t.Errorf("its scripts run as %+v, and it is said: %s", hands, out.String())
	}
	g.trust = false
	if _, err := agree(); err != nil || out.Len() > 0 {
		t.Errorf("asked twice about the same: %v, %s", err, out.String())
	}
	if err := os.WriteFile(filepath.Join(dir, "look.sh"), []byte("id; rm -rf ~\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	refused("after a change")
	if err := g.agree(env, nil, "", "", format.Effects{}); err != nil {
		t.Errorf("a built-in lab was asked about: %v", err)
	}
}

// TestLabFromElsewhereBringsNothingBad: what is no lab, or brings what is not its own, is
// bad input, and said at once.
func TestLabFromElsewhereBringsNothingBad(t *testing.T) {
	for name, lay := range map[string]func(dir string) error{
		"a link to a file of root's": func(dir string) error { return os.Symlink("/etc/shadow", filepath.Join(dir, "files/shadow")) },
		"lab.yaml without end": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "lab.yaml")), os.Symlink("/dev/zero", filepath.Join(dir, "lab.yaml")))
		},
		"a pipe":            func(dir string) error { return unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600) },
		"a huge text":       func(dir string) error { return os.Truncate(filepath.Join(dir, "en.md"), 1<<30) },
		"escape sequences":  func(dir string) error { return appendTo(filepath.Join(dir, "en.md"), "\x1b]52;c;ZXZpbA==\x07") },
		"one in YAML":       func(dir string) error { return appendTo(filepath.Join(dir, "lab.yaml"), "# \u202e\n") },
		"one written out":   func(dir string) error { return replaceIn(filepath.Join(dir, "lab.yaml"), "another colour", `"\e[8m"`) },
		"somebody's place":  func(dir string) error { return appendTo(filepath.Join(dir, "lab.yaml"), "namespace: ingress-nginx\n") },
		"the cluster's own": func(dir string) error { return appendTo(filepath.Join(dir, "lab.yaml"), "namespace: kube-system\n") },
	} {
		dir := elsewhere(t)
		if err := lay(dir); err != nil {
			t.Fatal(err)
		}
		_, err := labAt(dir)
		var usage *testbed.UsageError
		if !errors.As(err, &usage) {
			t.Errorf("%s: %v", name, err)
		}
		var out bytes.Buffer
		g := &globals{stdout: &out, stderr: &out}
		var exit *exitStatus
		if err := g.lint([]string{dir}); !errors.As(err, &exit) || exit.code != exitFailed || strings.ContainsAny(out.String(), "\x1b\u202e") {
			t.Errorf("%s: nori lint: %v, %q", name, err, out.String())
		}
	}
	if _, err := labAt(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func appendTo(path, text string) error {
	data, err := os.ReadFile(path)
	return errors.Join(err, os.WriteFile(path, append(data, text...), 0o644))
}

func replaceIn(path, old, by string) error {
	data, err := os.ReadFile(path)
	return errors.Join(err, os.WriteFile(path, bytes.Replace(data, []byte(old), []byte(by), 1), 0o644))
}

// TestLintListsWhatRuns: before a lab is started, one can look what it will run.
func TestLintListsWhatRuns(t *testing.T) {
	var out bytes.Buffer
	g := &globals{stdout: &out, stderr: &out}
	if err := g.lint([]string{elsewhere(t)}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"no mistakes found", "scripts on this host, as you:\n    look.sh", "asks for pages:\n    http://elsewhere.example/{{ns}} (from: host)", "images:\n    noriter/"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

// TestKubectlLink: called by the link, it is kubectl: the name stays when sudo is asked,
// and a kubeconfig of another cluster is that cluster's, without a look at testbeds.
func TestKubectlLink(t *testing.T) {
	args := os.Args
	t.Cleanup(func() { os.Args = args })
	for called, want := range map[string]string{"/x/bin/kubectl": "kubectl get pods", "/x/bin/nori": "get pods"} {
		os.Args = []string{called, "get", "pods"}
		if got := strings.Join(calledWith(), " "); got != want {
			t.Errorf("called as %s it goes on as %q, want %q", called, got, want)
		}
	}
	bed := declared(t)
	g := &globals{link: true}
	if !g.means(bed.Kubeconfig()) {
		t.Error("the testbed's own kubeconfig is taken for another's")
	}
	other := filepath.Join(t.TempDir(), "config")
	for old, by := range map[string]string{"10.0.0.1": "10.0.0.2", "QQ==": "Qg=="} {
		data, err := os.ReadFile(bed.Kubeconfig())
		if err := errors.Join(err, os.WriteFile(other, bytes.Replace(data, []byte(old), []byte(by), 1), 0o600)); err != nil {
			t.Fatal(err)
		}
		if g.means(other) {
			t.Errorf("the kubeconfig of another cluster (%s) is taken for the testbed's", by)
		}
	}
}

// TestProgramsForAll: who can't reach this program, as one that lies in root's home, gets
// a copy of it.
func TestProgramsForAll(t *testing.T) {
	nobody, err := learner.Nobody()
	if err != nil || os.Geteuid() != 0 {
		t.Skip("only root has what others can't reach")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	hidden, bin := filepath.Join(dir, "hidden"), filepath.Join(dir, "bin")
	if err := errors.Join(os.Mkdir(hidden, 0o700), os.Mkdir(bin, 0o755), os.WriteFile(filepath.Join(hidden, "nori"), []byte("1"), 0o755)); err != nil {
		t.Fatal(err)
	}
	read := func() string {
		for _, who := range []*learner.User{nobody, nil} { // root, who needs no copy, leaves theirs to others
			if err := providePrograms(filepath.Join(hidden, "nori"), bin, who); err != nil {
				t.Fatal(err)
			}
		}
		data, err := nobody.ReadFile(filepath.Join(bin, "kubectl"))
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	if got := read(); got != "1" {
		t.Errorf("got %q", got)
	}
	if err := os.WriteFile(filepath.Join(hidden, "nori"), []byte("22"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "22" {
		t.Errorf("after an update, got %q", got)
	}
}
