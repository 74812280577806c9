package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLearner is a learner who is not root, and calls nori by sudo: what they do, and what
// labs do in their name, is theirs. Sudo itself is not needed for it: it leaves three
// variables, and the user is one that every Debian has.
func TestLearner(t *testing.T) {
	needMachines(t)
	home, err := os.MkdirTemp("", "nori-learner-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(home, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) }) // what is registered after this runs before: the testbed is down then
	b := newBed(t, "learner", "--driver", "nspawn", "--nodes", "1")
	b.home = filepath.Join(home, "home")
	b.up()
	me := &learnerOf{b}
	t.Run("shell", me.shell)
	t.Run("kubectl", me.kubectl)
	t.Run("lab", me.lab)
	t.Run("elsewhere", me.elsewhere)
	t.Run("precious", me.precious)
	desk := filepath.Join(b.home, "learner/of-games")
	if out, err := exec.Command("find", desk, "!", "-user", "games").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("not the learner's: %s, %v", out, err)
	}
	for _, closed := range []string{"testbeds", "locks"} {
		if fi, err := os.Stat(filepath.Join(b.home, closed)); err != nil || fi.Mode().Perm() != 0o700 {
			t.Errorf("%s is open to others: %v, %v", closed, fi.Mode(), err)
		}
	}
}

// learnerOf calls nori as sudo does for the user games.
type learnerOf struct{ *bed }

func (l *learnerOf) run(input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	c := l.command(ctx, args...)
	c.Env = append(c.Env, "SUDO_USER=games", "SUDO_UID=5", "SUDO_GID=60")
	c.Stdin = strings.NewReader(input)
	c.Dir = "/"
	out, err := c.CombinedOutput()
	return string(out), err
}

func (l *learnerOf) says(t *testing.T, input string, want []string, args ...string) {
	t.Helper()
	out, err := l.run(input, args...)
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("nori %s: %v; %q is not in\n%s", strings.Join(args, " "), err, w, out)
		}
	}
}

func (l *learnerOf) shell(t *testing.T) {
	l.says(t, "id -un; id -G | tr ' ' '\\n' | grep -c '^0$'; echo $USER-$SUDO_UID-; cat /etc/shadow; kubectl get nodes -o name; stat -c '%U %a' $KUBECONFIG; echo \"${PS1@P}\"\n",
		[]string{"games\n", "0\n", "games--\n", "/etc/shadow: Permission denied", "node/node1", "games 600", "(learner) /$ "}, "shell")
}

func (l *learnerOf) kubectl(t *testing.T) {
	l.says(t, "", []string{"node/control"}, "kubectl", "get", "nodes", "-o", "name")
	l.says(t, "", []string{"permission denied"}, "kubectl", "create", "configmap", "stolen", "--from-file=/etc/shadow")
	if out, err := l.run("", "kubectl", "get", "nothing"); exitCode(err) != 1 {
		t.Errorf("kubectl's exit code: %v %s", err, out)
	}
}

// lab starts, solves and leaves a lab: the script of its solution, and the files that it
// hands out, are the learner's.
func (l *learnerOf) lab(t *testing.T) {
	l.says(t, "", []string{"step 1 of"}, "--plain", "lab", "start", "pods")
	l.says(t, "", []string{"Passed!"}, "lab", "solve")
	l.says(t, "", []string{"lab-pods"}, "kubectl", "config", "view", "--minify", "-o", "jsonpath={..namespace}")
	l.says(t, "", []string{"Closed."}, "lab", "stop")
}

// look is a lab from elsewhere whose check is a script that says who it is.
const look = `id: look
title: {en: Look, ko: 보기}
summary: {en: looks, ko: 봅니다}
minutes: 1
level: 1
testbed: any
namespace: NAMESPACE
steps:
  - id: one
    checks:
      - {id: who, script: {run: who.sh}, expr: code == 1, expect: {en: a, ko: 가}, explain: {en: b, ko: 나}, fact: {en: c, ko: 다}}
`

// write lays the lab down in a folder that the learner can read.
func (l *learnerOf) write(t *testing.T, namespace string) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(l.home), namespace)
	text := "# Look\nIntroduction.\n## One {#one}\nLook.\n### hint\na\n### hint\nb\n## End {#end}\nThat was it.\n"
	for name, content := range map[string]string{
		"lab.yaml": strings.Replace(look, "NAMESPACE", namespace, 1), "en.md": text, "ko.md": text,
		"who.sh": "id -un > who; cat /etc/shadow > stolen || true; kubectl get nodes -o name > nodes\n" +
			"read -r _ _ _ _ _ session _ </proc/$$/stat; echo $((session == $$)) > apart\n", "solution/01-one.sh": "true\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (l *learnerOf) elsewhere(t *testing.T) {
	dir := l.write(t, "lab-look")
	if out, err := l.run("", "--plain", "lab", "start", dir); exitCode(err) != 2 || !strings.Contains(out, "who.sh") || !strings.Contains(out, "as games") {
		t.Errorf("not asked: %v %s", err, out)
	}
	l.says(t, "", []string{"step 1 of 1", "lab start " + dir}, "--plain", "lab", "start", dir, "--trust")
	l.says(t, "", []string{"[ ]"}, "lab", "status")
	l.ran(t, "of-games", "games")
	l.says(t, "", []string{"lab start " + dir}, "lab", "stop")
	// Root who is really root lets it run as nobody.
	if out, err := l.try(time.Minute, "--plain", "lab", "status", dir, "--trust"); exitCode(err) != 1 || !strings.Contains(out, "as nobody") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := l.try(time.Minute, "--plain", "lab", "start", dir); err != nil {
		t.Errorf("%v %s", err, out)
	}
	l.nori("lab", "status")
	l.ran(t, "of-nobody", "nobody")
	// A lab whose folder has gone can be closed all the same.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	l.nori("lab", "stop")
}

// ran sees as whom the check's script ran, and what it got at.
func (l *learnerOf) ran(t *testing.T, desk, who string) {
	t.Helper()
	work := filepath.Join(l.home, "learner", desk, l.name, "work/look")
	for name, want := range map[string]string{"who": who + "\n", "stolen": "", "nodes": "node/control\nnode/node1\n", "apart": "1\n"} {
		if got, err := os.ReadFile(filepath.Join(work, name)); err != nil || string(got) != want {
			t.Errorf("%s says %q, want %q: %v", name, got, want, err)
		}
	}
}

// precious has a lab from elsewhere that names a namespace of the learner's as its own.
func (l *learnerOf) precious(t *testing.T) {
	l.nori("kubectl", "create", "namespace", "precious")
	l.nori("kubectl", "create", "configmap", "kept", "-n", "precious")
	dir := l.write(t, "precious")
	if out, err := l.run("", "--plain", "lab", "start", dir, "--trust"); err == nil || !strings.Contains(out, "not made by this lab") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := l.run("", "--plain", "lab", "reset", dir); err == nil {
		t.Errorf("%v %s", err, out)
	}
	l.nori("kubectl", "get", "configmap", "kept", "-n", "precious")
}
