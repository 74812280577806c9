package libvirt

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"libvirt.org/go/libvirtxml"
)

// layFolders makes folders and files, each with the mode at its front.
func layFolders(t *testing.T, root string, modes map[string]os.FileMode) {
	t.Helper()
	for name := range modes {
		dir := name
		if !strings.HasSuffix(name, "/") {
			dir = filepath.Dir(name)
		}
		must(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	for name, mode := range modes {
		file := filepath.Join(root, name)
		if !strings.HasSuffix(name, "/") {
			must(t, os.WriteFile(file, []byte(name), mode))
		}
		must(t, os.Chmod(file, mode))
	}
}

// openRoot is a folder that others may pass, as the temporary one is not.
func openRoot(t *testing.T) string {
	t.Helper()
	root, err := os.MkdirTemp("/tmp", "nori-test-")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(root)) })
	must(t, os.Chmod(root, 0o755))
	root, err = filepath.EvalSymlinks(root)
	must(t, err)
	return root
}

func TestCovers(t *testing.T) {
	root := openRoot(t)
	layFolders(t, root, map[string]os.FileMode{
		"open/testbeds/t/libvirt/": 0o710, "open/cache/image/x/": 0o700,
		"home/": 0o700, "home/state/t/libvirt/": 0o710, "home/cache/": 0o755,
		"state/": 0o700, "state/t/libvirt/": 0o710, "closed/": 0o700,
	})
	must(t, os.Symlink(filepath.Join(root, "open/testbeds"), filepath.Join(root, "closed/link")))
	must(t, os.Symlink(filepath.Join(root, "home/state"), filepath.Join(root, "link")))
	for _, c := range []struct{ dir, cache, want string }{
		{"open/testbeds/t/libvirt", "open/cache", "open/testbeds/t open/cache"},
		{"home/state/t/libvirt", "home/cache", "home"},
		{"home/state/t/libvirt", "open/cache", "home open/cache"},
		{"open/testbeds/t/libvirt", "open", "open"},
		{"state/t/libvirt", "", "state"},
		{"link/t/libvirt", "open/cache", "home open/cache"},
		{"closed/link/t/libvirt", "", "open/testbeds/t closed"},
	} {
		d := &daemon{dir: filepath.Join(root, c.dir)}
		if c.cache != "" {
			d.shared = filepath.Join(root, c.cache)
		}
		got, err := d.covers()
		must(t, err)
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], root+"/")
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("for %s and the cache %s: %v, want %s", c.dir, c.cache, got, c.want)
		}
	}
}

// What the scripts leave of a closed folder, seen by a user who is nobody.
func TestWhatQEMUSees(t *testing.T) {
	needs(t, os.Geteuid() == 0, "root")
	root := openRoot(t)
	layFolders(t, root, map[string]os.FileMode{
		"state/": 0o700, "state/t/pki/ca.key": 0o644, "state/t/libvirt/": 0o755, "state/t/libvirt/pool/disk": 0o644,
		"cache/image/x/": 0o700, "cache/image/x/disk": 0o644, "cache/image/x/root/etc/passwd": 0o644, "cache/secret": 0o644,
		"closed/": 0o700,
	})
	must(t, os.Symlink(filepath.Join(root, "state"), filepath.Join(root, "closed/link")))
	d := &daemon{dir: filepath.Join(root, "closed/link/t/libvirt"), shared: filepath.Join(root, "cache")}
	covers, err := d.covers()
	must(t, err)
	real, err := realDir(d.dir)
	must(t, err)
	lent := filepath.Join(root, "cache/image/x/disk")
	// In place of libvirtd: what it runs as the last.
	script := strings.Replace(startScript, "exec libvirtd --daemon --config /etc/libvirt/libvirtd.conf --pid-file /run/libvirt/libvirtd.pid",
		`files=$(cat); lend() { `+lendScript+`}; lend $files; lend $files; cd /; setpriv --reuid=65534 --regid=65534 --clear-groups sh -c '
find "$0" /run/nori -type f 2>/dev/null -exec cat {} \; -exec echo \;; for f in "$0"/cache/image/x/disk "$0"/cache/new; do (: > "$f") 2>/dev/null && echo wrote "$f"; done; true' `+root+`
touch `+lent+` 2>/dev/null && echo root wrote; cat `+d.dir+`/pool/disk`, 1)
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "test", "--", real, d.dir}, covers...)...)
	cmd.Stdin = strings.NewReader(lent)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	// The testbed's disk twice by its two paths, and once for libvirtd.
	disk := "state/t/libvirt/pool/disk"
	want := []string{"cache/image/x/disk", disk, disk, disk}
	if !slices.Equal(lines, want) {
		t.Errorf("QEMU's user and libvirtd saw %q, want %q", lines, want)
	}
}

func TestFilesOf(t *testing.T) {
	files := bootFiles{disk: backing{"/cache/disk.qcow2", "qcow2", 20 << 30}, kernel: "/cache/vmlinuz", initrd: "/cache/initrd"}
	text, err := domainXML(domainSpec{tb: goldenTestbed, machine: goldenMachine, virt: "kvm", files: files,
		disk: "/pool/control.qcow2", parcel: "/cache/parcel", console: "/pool/control.console.log", hostKey: "/pool/control.hostkey"})
	must(t, err)
	var x libvirtxml.Domain
	must(t, x.Unmarshal(text))
	f := filesOf(x)
	slices.Sort(f.shared)
	if f.disk != "/pool/control.qcow2" || f.console != "/pool/control.console.log" || f.hostKey != "/pool/control.hostkey" ||
		strings.Join(f.shared, " ") != "/cache/disk.qcow2 /cache/initrd /cache/parcel /cache/vmlinuz" {
		t.Errorf("a machine's files: %+v", f)
	}
	if f := filesOf(libvirtxml.Domain{}); f.disk != "" || len(f.shared) > 0 {
		t.Errorf("of an empty domain: %+v", f)
	}
}

// A machine made for a QEMU that ran as root gets its files' owners right.
func TestGive(t *testing.T) {
	needs(t, os.Geteuid() == 0, "root")
	u, err := hostQEMUUser()
	needs(t, err == nil, "QEMU's user")
	dir := t.TempDir()
	f := machineFiles{disk: filepath.Join(dir, "d"), console: filepath.Join(dir, "c"), hostKey: filepath.Join(dir, "k")}
	must(t, os.WriteFile(f.disk, nil, 0o644))
	must(t, os.WriteFile(f.hostKey, nil, 0o600))
	d := &daemon{}
	must(t, d.give(f))
	must(t, os.WriteFile(f.console, []byte("kept"), 0o644))
	must(t, d.give(f))
	for file, want := range map[string]struct {
		uid  int
		mode os.FileMode
	}{f.disk: {u.uid, 0o600}, f.console: {u.uid, 0o600}, f.hostKey: {0, 0o640}} {
		fi, err := os.Stat(file)
		must(t, err)
		st := fi.Sys().(*syscall.Stat_t)
		if int(st.Uid) != want.uid || int(st.Gid) != u.gid || fi.Mode().Perm() != want.mode {
			t.Errorf("%s is %d:%d %v, want %d:%d %v", file, st.Uid, st.Gid, fi.Mode(), want.uid, u.gid, want.mode)
		}
	}
	if text, _ := os.ReadFile(f.console); string(text) != "kept" {
		t.Errorf("the console's file has %q", text)
	}
	must(t, d.give(machineFiles{}))
}
