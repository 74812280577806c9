package learner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"noriter.dev/noriter/internal/lang"
)

func TestMain(m *testing.M) {
	lang.Set(lang.English)
	os.Exit(m.Run())
}

func TestCaller(t *testing.T) {
	kim := &User{Name: "kim", UID: 1000, GID: 1000}
	lookup := func(name string) (*User, error) {
		if name == "kim" {
			return kim, nil
		}
		if name == "toor" {
			return &User{Name: "toor"}, nil
		}
		return nil, errors.New("no such user")
	}
	for _, c := range []struct {
		euid             int
		user, uid, gid   string
		self, kim, fails bool
	}{
		{1000, "", "", "", true, false, false},
		{1000, "kim", "1000", "1000", true, false, false}, // a shell below sudo -u
		{0, "", "", "", true, false, false},
		{0, "root", "0", "0", true, false, false},
		{0, "kim", "1000", "1000", false, true, false},
		{0, "kim", "1001", "1000", false, false, true},
		{0, "kim", "1000", "0", false, false, true},
		{0, "kim", "0", "0", false, false, true},
		{0, "", "1000", "1000", false, false, true},
		{0, "kim", "", "", true, false, false},
		{0, "gone", "", "1002", true, false, false},
		{0, "gone", "1002", "1002", false, false, true},
		{0, "toor", "0", "0", false, false, true},
	} {
		env := map[string]string{"SUDO_USER": c.user, "SUDO_UID": c.uid, "SUDO_GID": c.gid}
		u, err := caller(c.euid, func(k string) string { return env[k] }, lookup)
		if (err != nil) != c.fails {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil && (u.Self() != c.self || (u == kim) != c.kim) {
			t.Errorf("%+v: got %+v", c, u)
		}
	}
}

func TestParse(t *testing.T) {
	u, err := parse("kim:x:1000:1001:Kim,,,:/home/kim:/bin/bash\n")
	if err != nil || u.Name != "kim" || u.UID != 1000 || u.GID != 1001 || u.Home != "/home/kim" || u.Shell != "/bin/bash" {
		t.Errorf("%+v %v", u, err)
	}
	for _, bad := range []string{"", "kim:x:a:1:::", "kim:x:1:b:::", "kim:x:1:1"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// other is a user of every Debian, for tests that root runs.
func other(t *testing.T) *User {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	u, err := byName("games")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestOwn(t *testing.T) {
	u := other(t)
	t.Setenv("SUDO_UID", "5")
	c := exec.Command("sh", "-c", "id -u; id -g; id -G; echo $HOME $USER ${SUDO_UID-none}; cat /etc/shadow 2>&1; echo $KEPT")
	c.Env = append(os.Environ(), "KEPT=kept", "HOME=/root")
	c.Dir = "/"
	u.Own(c)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 6 || lines[0] != "5" || slices.Contains(strings.Fields(lines[1]+" "+lines[2]), "0") ||
		!strings.HasSuffix(lines[3], " games none") || strings.HasPrefix(lines[3], "/root") ||
		!strings.Contains(lines[4], "Permission denied") || lines[5] != "kept" {
		t.Errorf("%q", lines)
	}
}

// TestStranger: what runs as nobody has no terminal to type into, knows no secret of root's
// environment, and ends with all that it started.
func TestStranger(t *testing.T) {
	other(t) // or there is nobody
	u, err := Nobody()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-c", "read -r _ _ _ _ _ session _ </proc/$$/stat; echo $$ $session ${TOKEN-none} $KUBECONFIG $LAB_COLOR; sleep 15 & echo $!; wait")
	c.Env, c.Dir = append(os.Environ(), "TOKEN=secret", "KUBECONFIG=/k", "LAB_COLOR=red"), "/"
	c.WaitDelay = time.Second
	u.Own(c)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var self, session, sleeper int
	var token, kubeconfig, color string
	if _, err := fmt.Fscan(out, &self, &session, &token, &kubeconfig, &color, &sleeper); err != nil {
		t.Fatal(err)
	}
	if self != session || token != "none" || kubeconfig != "/k" || color != "red" {
		t.Errorf("process %d of session %d has %s %s %s", self, session, token, kubeconfig, color)
	}
	cancel()
	_ = c.Wait() // it was killed
	for deadline := time.Now().Add(10 * time.Second); !ended(sleeper); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still there", sleeper)
		}
	}
}

// ended tells whether a process has ended, also where nobody has asked for its end.
func ended(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(data), ") Z ")
}

// TestDo is what a learner could lay for root to stumble over: with their own rights it
// leads nowhere, and afterwards this process is root as before.
func TestDo(t *testing.T) {
	u := other(t)
	dir := t.TempDir()
	secret, folder := filepath.Join(dir, "secret"), filepath.Join(dir, "folder")
	if err := errors.Join(os.WriteFile(secret, []byte("root's"), 0o600), os.Mkdir(folder, 0o700), os.Chown(folder, u.UID, u.GID),
		os.Chmod(filepath.Dir(dir), 0o755), os.Symlink(secret, filepath.Join(folder, "link"))); err != nil {
		t.Fatal(err)
	}
	if _, err := u.ReadFile(filepath.Join(folder, "link")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a link led to a file of root's: %v", err)
	}
	if err := u.Do(func() error { return os.WriteFile(filepath.Join(dir, "new"), nil, 0o644) }); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a file was made in a folder of root's: %v", err)
	}
	if err := u.WriteFile(filepath.Join(folder, "own"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("stat", "-c", "%U:%G %a", filepath.Join(folder, "own")).Output()
	if err != nil || !strings.HasPrefix(string(out), "games:games 600") {
		t.Errorf("what was made is of %s, %v", out, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "after"), nil, 0o600); err != nil {
		t.Errorf("this process is not root any more: %v", err)
	}
}
