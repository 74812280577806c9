package nspawn

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root")
	}
	t.Skip("needs root")
}

func sh(t *testing.T, dir, line string) string {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-ec", line)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// describe lists a tree with all that a copy must keep.
const describe = `find . -printf '%p %y %m %U %G %n %l %T@\n' | grep -v '^. ' | sort; find . -type f | sort | xargs sha256sum`

func TestCopyTree(t *testing.T) {
	needRoot(t)
	src, dst := t.TempDir(), t.TempDir()
	sh(t, src, `mkdir -p a/b; echo x > a/file; ln a/file a/second; ln -s nowhere a/link; mknod a/white c 0 0; mknod a/fifo p
chown 12:34 a/file; chmod 4751 a/file; chmod 1777 a/b; touch -d 2001-01-01 a/file a/b; truncate -s 20M a/hole; printf end >> a/hole; : > a/empty`)
	if err := unix.Lsetxattr(filepath.Join(src, "a/b"), "trusted.overlay.opaque", []byte("y"), 0); err != nil {
		t.Fatal(err)
	}
	private := []string{"trusted.overlay.origin", "user.overlay.origin"}
	for _, name := range private {
		if err := unix.Lsetxattr(filepath.Join(src, "a/b"), name, []byte("x"), 0); err != nil {
			t.Fatal(err)
		}
	}
	shared := func(path string, _ fs.FileInfo) bool { return path == "a/empty" }
	if err := newCopier(shared).tree(src, dst); err != nil {
		t.Fatal(err)
	}
	if got, want := sh(t, dst, describe), sh(t, src, describe); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !opaque(filepath.Join(dst, "a/b")) {
		t.Error("an attribute is lost")
	}
	for _, name := range private {
		if _, err := unix.Lgetxattr(filepath.Join(dst, "a/b"), name, nil); err == nil {
			t.Errorf("an overlay's private attribute was copied: %s", name)
		}
	}
	if st, err := stat(filepath.Join(dst, "a/hole")); err != nil || st.Blocks > 64 {
		t.Errorf("the hole takes %d blocks, %v", st.Blocks, err)
	}
	one, _ := os.Stat(filepath.Join(src, "a/empty"))
	two, _ := os.Stat(filepath.Join(dst, "a/empty"))
	if !os.SameFile(one, two) {
		t.Error("what never changes was not shared")
	}
}

// TestCopyOver lays layers upon each other and compares with what the
// kernel's overlay shows of them.
func TestCopyOver(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	sh(t, dir, `mkdir -p base/d/sub base/e low top work root out
echo base > base/d/one; echo base > base/d/sub/two; echo base > base/e/three; echo base > base/f`)
	overlay := func(lower, upper string) {
		t.Helper()
		o := "lowerdir=" + lower + ",upperdir=" + upper + ",workdir=work,index=off,redirect_dir=off,metacopy=off"
		sh(t, dir, "rm -rf work; mkdir work; mount -t overlay x -o "+o+" root")
	}
	overlay("base", "low")
	sh(t, dir+"/root", `rm -r d; mkdir d; echo low > d/new; rm f; echo low > e/three; echo low > gone; mkdir h; echo low > h/x`)
	sh(t, dir, "umount root")
	overlay("low:base", "top")
	sh(t, dir+"/root", `rm gone; echo top > f; rm -r h; echo top > h; mkdir d/sub; echo top > d/sub/four; rm e/three`)
	want := sh(t, dir+"/root", "grep -r . . | sort")
	sh(t, dir, "umount root")
	for _, l := range []string{"low", "top"} {
		if err := newCopier(nil).tree(filepath.Join(dir, l), filepath.Join(dir, "out")); err != nil {
			t.Fatal(err)
		}
	}
	sh(t, dir, "mkdir empty")
	overlay("out:base", "empty")
	defer sh(t, dir, "umount root")
	if got := sh(t, dir+"/root", "grep -r . . | sort"); got != want {
		t.Errorf("merged:\n%s\nthe kernel shows:\n%s", got, want)
	}
}

func TestCopyMissing(t *testing.T) {
	if err := newCopier(nil).tree(t.TempDir()+"/none", t.TempDir()); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("got %v", err)
	}
}
