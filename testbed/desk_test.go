package testbed

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"noriter.dev/noriter/internal/learner"
)

// room is a home that others can get through to, with one testbed in it.
func room(t *testing.T) *Testbed {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	tb := &Testbed{home: Home{filepath.Join(dir, "home")}, state: State{Spec: Spec{Name: "one"}}}
	lay(t, tb.Kubeconfig(), kubeconfigOf("lab-pods"))
	return tb
}

func lay(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func kubeconfigOf(namespace string) string {
	return `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: "` + namespace + `"}}]
current-context: x
`
}

// games is a user of every Debian.
func games(t *testing.T) *learner.User {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make room for others")
	}
	t.Setenv("SUDO_USER", "games")
	t.Setenv("SUDO_UID", "5")
	t.Setenv("SUDO_GID", "60")
	u, err := learner.Caller()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestOlderHomeIsTakenOver: what an older version kept of a learner is there in the new
// place, for whoever came by sudo as for root, and nothing of it has gone.
func TestOlderHomeIsTakenOver(t *testing.T) {
	u := games(t)
	tb := room(t)
	old := tb.home.Learner()
	lay(t, filepath.Join(old, "one.root.json"), `{"version":1,"learner":"root","testbed":"one","labs":{}}`)
	lay(t, filepath.Join(old, "two.root.json"), `{"version":1}`)
	lay(t, filepath.Join(old, "work/pods/mine.yaml"), "edited")
	if err := os.Symlink("mine.yaml", filepath.Join(old, "work/pods/link")); err != nil {
		t.Fatal(err)
	}
	for name, who := range map[string]*learner.User{"games": u, "root": nil} {
		d, err := tb.Desk(who)
		if err != nil {
			t.Fatal(err)
		}
		progress, err := os.ReadFile(d.Progress())
		if err != nil || !strings.Contains(string(progress), `"learner":"root"`) {
			t.Errorf("%s: the progress is %q, %v", name, progress, err)
		}
		if text, err := os.ReadFile(filepath.Join(d.Work(), "pods/link")); err != nil || string(text) != "edited" {
			t.Errorf("%s: the work is %q, %v", name, text, err)
		}
		whose(t, d.Dir, name)
		// What is done from now on stays: nothing is taken over twice.
		if err := d.User.WriteFile(d.Progress(), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if d, err = tb.Desk(who); err != nil {
			t.Fatal(err)
		}
		if now, err := os.ReadFile(d.Progress()); err != nil || string(now) != "{}" {
			t.Errorf("%s: the progress was taken over again: %q, %v", name, now, err)
		}
	}
	for _, kept := range []string{"one.root.json", "two.root.json", "work/pods/mine.yaml"} {
		if _, err := os.Stat(filepath.Join(old, kept)); err != nil {
			t.Errorf("lost: %v", err)
		}
	}
	// Another testbed has another desk, and its work is none of this one's.
	other := &Testbed{home: tb.home, state: State{Spec: Spec{Name: "three"}}}
	d, err := other.Desk(u)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(d.Work(), "pods")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the work of another testbed is there: %v", err)
	}
}

// whose sees that everything below a folder is somebody's, and that no one else gets in.
func whose(t *testing.T, dir, name string) {
	t.Helper()
	if out, err := exec.Command("find", dir, "!", "-user", name).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("not %s's: %s, %v", name, out, err)
	}
	if fi, err := os.Stat(filepath.Dir(dir)); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("others get into %s: %v, %v", filepath.Dir(dir), fi.Mode(), err)
	}
}

// TestKubeconfigOfALearner: it is theirs alone, keeps the namespace of their lab, and
// follows when the cluster is made anew.
func TestKubeconfigOfALearner(t *testing.T) {
	u := games(t)
	tb := room(t)
	d, err := tb.Desk(u)
	if err != nil {
		t.Fatal(err)
	}
	path, err := d.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 || int(fi.Sys().(*syscall.Stat_t).Uid) != u.UID {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	if err := u.WriteFile(path, []byte(kubeconfigOf("lab-mine")), 0o600); err != nil {
		t.Fatal(err)
	}
	lay(t, tb.Kubeconfig(), strings.Replace(kubeconfigOf(""), "127.0.0.1:1", "127.0.0.1:2", 1))
	if path, err = d.Kubeconfig(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "namespace: lab-mine") || !strings.Contains(string(text), "127.0.0.1:2") {
		t.Errorf("%s %v", text, err)
	}
	self, err := tb.Desk(nil)
	if err != nil {
		t.Fatal(err)
	}
	if path, err := self.Kubeconfig(); err != nil || path != tb.Kubeconfig() {
		t.Errorf("root's is %s, %v", path, err)
	}
	if err := d.User.Do(func() error { return os.MkdirAll(d.KubectlCache(), 0o700) }); err != nil {
		t.Fatal(err)
	}
	if err := tb.forgetKinds(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(d.KubectlCache()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the kinds of before are kept: %v", err)
	}
}

// TestNobodyLooksInto: what an older version left open is closed, the way of learners to
// their desks is not, and a folder of other things is left alone.
func TestNobodyLooksInto(t *testing.T) {
	u := games(t)
	tb := room(t)
	h := tb.home
	for _, dir := range []string{h.testbeds(), h.locks(), filepath.Join(h.Dir, "cache")} {
		lay(t, filepath.Join(dir, "x"), "x")
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d, err := tb.Desk(u)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{filepath.Join(h.testbeds(), "x"), filepath.Join(h.locks(), "x"), tb.Kubeconfig()} {
		if _, err := u.ReadFile(secret); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a learner reads %s: %v", secret, err)
		}
	}
	if err := u.WriteFile(filepath.Join(d.Dir, "mine"), nil, 0o600); err != nil {
		t.Error(err)
	}
	nobody, err := learner.Nobody()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nobody.ReadFile(filepath.Join(d.Dir, "mine")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("another learner reads it: %v", err)
	}
	if fi, err := os.Stat(h.Dir); err != nil || fi.Mode().Perm() != 0o755 {
		t.Errorf("a folder that somebody chose has become %v, %v", fi.Mode(), err)
	}
}

// TestLaidInTheWay: a learner can't have root make or write anything elsewhere.
func TestLaidInTheWay(t *testing.T) {
	u := games(t)
	tb := room(t)
	if err := tb.home.Settle(); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(tb.home.Dir, "secret")
	if err := os.Mkdir(secret, 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := tb.Desk(u)
	if err != nil {
		t.Fatal(err)
	}
	err = u.Do(func() error { return errors.Join(os.RemoveAll(d.Dir), os.Symlink(secret, d.Dir)) })
	if err != nil {
		t.Fatal(err)
	}
	if d, err := tb.Desk(u); err == nil {
		if _, err := d.Kubeconfig(); err == nil {
			t.Error("a kubeconfig was written to where a link leads")
		}
	}
	if entries, err := os.ReadDir(secret); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
	room := filepath.Join(tb.home.Learner(), "of-nobody")
	if err := os.Mkdir(room, 0o700); err != nil {
		t.Fatal(err)
	}
	nobody, err := learner.Nobody()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tb.Desk(nobody); err == nil {
		t.Error("a folder of root's was taken for a learner's")
	}
}

// TestSpecWithoutEnd: a testbed file may be anything that can be read.
func TestSpecWithoutEnd(t *testing.T) {
	if _, _, err := ReadSpec("/dev/zero"); err == nil || !strings.Contains(err.Error(), "at most 256 KiB") {
		t.Error(err)
	}
}
