package ambient

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// hostile is an environment that people have, all of it at once.
func hostile(t *testing.T) {
	t.Helper()
	for _, v := range ProxyVariables {
		t.Setenv(v, "")
		os.Unsetenv(v)
	}
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
	t.Setenv("http_proxy", "http://127.0.0.1:3128")
	t.Setenv("no_proxy", "corp.example")
	t.Setenv("PATH", "/opt/own/bin:/usr/bin")
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "gone"))
	t.Setenv("HOME", "")
	t.Setenv("LD_PRELOAD", "/opt/own/lib.so")
	t.Setenv("POSIXLY_CORRECT", "1")
	t.Setenv("NOTIFY_SOCKET", "/run/some/service")
	before := unix.Umask(0o077)
	t.Cleanup(func() { unix.Umask(before); original = nil })
}

func TestSettle(t *testing.T) {
	hostile(t)
	if err := Settle(); err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest("GET", "https://10.77.0.10:6443/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if proxy, err := http.ProxyFromEnvironment(request); proxy != nil || err != nil {
		t.Errorf("our own machine is asked through %v, %v", proxy, err)
	}
	if got := os.Getenv("PATH"); !strings.HasPrefix(got, "/opt/own/bin:/usr/bin:") || !strings.Contains(got, ":/usr/sbin:") || strings.Count(got, "/usr/bin") != 1 {
		t.Errorf("PATH is %s", got)
	}
	if os.Getenv("TMPDIR") != "/tmp" || os.Getenv("HOME") == "" {
		t.Errorf("TMPDIR %q, HOME %q", os.Getenv("TMPDIR"), os.Getenv("HOME"))
	}
	for _, v := range []string{"LD_PRELOAD", "POSIXLY_CORRECT", "NOTIFY_SOCKET"} {
		if got, there := os.LookupEnv(v); there {
			t.Errorf("what we start is told %s=%s", v, got)
		}
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o644 {
		t.Errorf("a file for a machine has mode %v, %v", st.Mode(), err)
	}
}

func TestWhatGoesOutHonoursProxies(t *testing.T) {
	hostile(t)
	if err := Settle(); err != nil {
		t.Fatal(err)
	}
	if env := Outgoing(); !slices.Contains(env, "HTTPS_PROXY=http://127.0.0.1:3128") || !slices.Contains(env, "no_proxy=corp.example") {
		t.Errorf("what goes out has no proxy: %v", env)
	}
	if !slices.Contains(Original(), "PATH=/opt/own/bin:/usr/bin") {
		t.Error("the caller's own environment is lost")
	}
	if err := Restore(); err != nil || os.Getenv("HTTPS_PROXY") != "http://127.0.0.1:3128" {
		t.Errorf("restored HTTPS_PROXY=%q, %v", os.Getenv("HTTPS_PROXY"), err)
	}
}

// TestShellGoesAroundProxies: a person keeps their proxy, and reaches their
// testbed without it.
func TestShellGoesAroundProxies(t *testing.T) {
	hostile(t)
	if err := Settle(); err != nil {
		t.Fatal(err)
	}
	env := Shell("10.77.3.0/24", "10.77.3.10")
	for _, want := range []string{
		"http_proxy=http://127.0.0.1:3128",
		"NO_PROXY=localhost,127.0.0.1,::1,corp.example,10.77.3.0/24,10.77.3.10",
		"no_proxy=localhost,127.0.0.1,::1,corp.example,10.77.3.0/24,10.77.3.10",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is not in the shell's environment", want)
		}
	}
	if !slices.Contains(env, "LD_PRELOAD=/opt/own/lib.so") {
		t.Error("a person's shell lost their libraries")
	}
	if slices.ContainsFunc(env, func(v string) bool {
		return strings.HasPrefix(v, "POSIXLY_CORRECT=") || strings.HasPrefix(v, "NOTIFY_SOCKET=")
	}) {
		t.Errorf("a person's shell is told what is not for it: %v", env)
	}
	original = []string{"PATH=/usr/bin"}
	if slices.ContainsFunc(Shell("10.77.3.0/24"), func(v string) bool { return strings.HasPrefix(v, "NO_PROXY=") }) {
		t.Error("without a proxy nothing has to go around it")
	}
}

// TestLostFolder: a folder that was removed is left, one that is there is not.
func TestLostFolder(t *testing.T) {
	hostile(t)
	dir := t.TempDir()
	t.Chdir(dir)
	if err := Settle(); err != nil {
		t.Fatal(err)
	}
	if at, err := os.Getwd(); err != nil || at != dir {
		t.Errorf("left %s for %s, %v", dir, at, err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := Settle(); err != nil {
		t.Fatal(err)
	}
	if at, err := os.Getwd(); err != nil || at != "/" {
		t.Errorf("stayed in %s, %v", at, err)
	}
}

// TestHome: a home folder that is none is replaced; one that is only not there yet is kept.
func TestHome(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "not there yet")
	for home, kept := range map[string]bool{missing: true, "/dev/null": false, "/dev/null/home": false, "relative": false, "": false} {
		hostile(t)
		t.Setenv("HOME", home)
		if err := Settle(); err != nil {
			t.Fatal(err)
		}
		if got := os.Getenv("HOME"); (got == home) != kept || !filepath.IsAbs(got) {
			t.Errorf("HOME=%q became %q", home, got)
		}
	}
}

// TestTemp: programs are run from temporary folders, so one that forbids it is none.
func TestTemp(t *testing.T) {
	hostile(t)
	own := t.TempDir()
	for dir, want := range map[string]string{own: own, "/dev/null": "/tmp", "relative/gone": "/tmp", "": "/tmp"} {
		t.Setenv("TMPDIR", dir)
		if err := Settle(); err != nil {
			t.Fatal(err)
		}
		if got := os.TempDir(); got != want {
			t.Errorf("TMPDIR=%q became %q, want %q", dir, got, want)
		}
	}
	if os.Geteuid() != 0 || unix.Mount("none", own, "tmpfs", unix.MS_NOEXEC, "size=16k") != nil {
		t.Skip("only root mounts a folder that forbids programs")
	}
	t.Cleanup(func() {
		if err := unix.Unmount(own, 0); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("TMPDIR", own)
	if err := Settle(); err != nil || os.TempDir() != "/tmp" {
		t.Errorf("a folder that forbids programs is kept: %s, %v", os.TempDir(), err)
	}
}
