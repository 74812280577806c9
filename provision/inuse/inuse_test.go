package inuse

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

const mounts = `23 1 8:1 / / rw - ext4 /dev/sda1 rw
140 23 0:71 / /home/m/node1/root rw,relatime shared:4 - overlay noriter rw,lowerdir=/layers/a:/cache/image/1/root,upperdir=/home/m/node1/upper,workdir=/w
141 23 0:72 / /a\040b rw - overlay noriter rw,lowerdir=/odd\134:name/root:/other\134,comma,upperdir=/u
142 23 0:73 / /new rw - overlay x rw,lowerdir+=/one,lowerdir+=/two,upperdir=/u
143 23 0:74 / /tmpfs rw - tmpfs tmpfs rw
`

func TestOverlays(t *testing.T) {
	got := overlays(mounts)
	want := []overlay{
		{"0:71", "/home/m/node1/root", []string{"/layers/a", "/cache/image/1/root"}},
		{"0:72", "/a b", []string{"/odd:name/root", "/other,comma"}},
		{"0:73", "/new", []string{"/one", "/two"}},
	}
	if !slices.EqualFunc(got, want, func(a, b overlay) bool {
		return a.device == b.device && a.point == b.point && slices.Equal(a.lower, b.lower)
	}) {
		t.Errorf("got %q", got)
	}
	for dir, on := range map[string]bool{"/cache/image/1/root": true, "/cache/image/1": true, "/cache/image/10": false, "/cache/image/1/root/x": false} {
		if got[0].on(dir, "/") != on {
			t.Errorf("stands on %s: %v", dir, !on)
		}
	}
}

// TestLayers mounts an overlay in a mount namespace of its own, on a folder by another
// name, as machines do: of the host's nothing is changed, and others' namespaces are
// looked into, too.
func TestLayers(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	dir := t.TempDir()
	for _, d := range []string{"lower", "view", "upper", "work", "at", "other"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("sh", "-c", `mount --bind "$1/lower" "$1/view" && mount -t overlay x -o lowerdir="$1/view",upperdir="$1/upper",workdir="$1/work" "$1/at" && exec cat`, "sh", dir)
	c.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Unshareflags: unix.CLONE_NEWNS}
	c.Stderr = os.Stderr
	end := hold(t, c)
	link := filepath.Join(dir, "link")
	if err := os.Symlink("lower", link); err != nil {
		t.Fatal(err)
	}
	for of, want := range map[string]int{"lower": 1, "link": 1, "other": 0} {
		got, err := Layers(filepath.Join(dir, of))
		if err != nil || len(got) != want || want == 1 && got[0].Mount != filepath.Join(dir, "at") {
			t.Errorf("on %s: %v, %v", of, got, err)
		}
	}
	end()
	if got, err := Layers(filepath.Join(dir, "lower")); err != nil || len(got) > 0 {
		t.Errorf("after its end: %v, %v", got, err)
	}
}

func TestOpeners(t *testing.T) {
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := file + "-link"
	if err := os.Link(file, link); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", "-c", `exec 3<"$1" && exec cat`, "sh", link)
	end := hold(t, c)
	got, err := Openers(file+"-gone", file)
	if err != nil || len(got) != 1 || got[0].PID != c.Process.Pid || got[0].Command != "cat" {
		t.Errorf("got %v, %v", got, err)
	}
	end()
	if got, err := Openers(file); err != nil || len(got) > 0 {
		t.Errorf("after its end: %v, %v", got, err)
	}
}

// hold starts a script that becomes cat when it is ready, which answers what it is asked
// and runs until its input ends.
func hold(t *testing.T, c *exec.Cmd) (end func()) {
	t.Helper()
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	end = func() { _ = in.Close(); _ = c.Wait() }
	t.Cleanup(end)
	if _, err := in.Write([]byte("?")); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal("it did not get ready: ", err)
	}
	return end
}
