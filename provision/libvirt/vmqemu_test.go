package libvirt_test

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/libvirt"
)

// confined looks at the QEMUs of the testbed in dir: whom they run as, what
// they may call, and which files they see.
func confined(t *testing.T, dir string, img image.Image, machines int) {
	t.Helper()
	u, err := user.Lookup("libvirt-qemu")
	if err != nil {
		if u, err = user.Lookup("qemu"); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(secret)
	found := 0
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range procs {
		b, _ := os.ReadFile(proc + "/cmdline") // none for one that ended
		args := strings.Split(string(b), "\x00")
		if !strings.Contains(args[0], "qemu-system") || !strings.Contains(string(b), dir+"/") {
			continue
		}
		found++
		status, err := os.ReadFile(proc + "/status")
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{
			fmt.Sprintf("Uid:\t%s\t%[1]s\t%[1]s\t%[1]s", u.Uid), "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "Seccomp:\t2",
		} {
			if !strings.Contains(string(status), "\n"+line+"\n") {
				t.Errorf("QEMU's status has no line %q:\n%s", line, status)
			}
		}
		if strings.Contains(string(status), "\nGid:\t0\t") {
			t.Errorf("QEMU is of root's group:\n%s", status)
		}
		if at := strings.Join(args, " "); !strings.Contains(at, " -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny ") {
			t.Errorf("QEMU's sandbox is not on: %s", at)
		}
		for file, want := range map[string]bool{img.Disk: true, img.Kernel: true, img.Root: false, secret: false, filepath.Join(dir, "libvirt/pool"): true} {
			if _, err := os.Stat(proc + "/root" + file); (err == nil) != want {
				t.Errorf("QEMU sees %s: %v", file, err)
			}
		}
	}
	if found != machines {
		t.Errorf("%d QEMUs run, want %d", found, machines)
	}
	pool := filepath.Join(dir, "libvirt/pool")
	entries, err := os.ReadDir(pool)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fi, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if owner := fi.Sys().(*syscall.Stat_t).Uid; fi.Mode().Perm()&0o007 != 0 || (fmt.Sprint(owner) == u.Uid) == strings.HasSuffix(e.Name(), ".hostkey") {
			t.Errorf("%s belongs to %d and is %v", e.Name(), owner, fi.Mode())
		}
	}
}

// madeByRoot gives the machines' files the owner that an earlier nori gave them,
// and goes back to a snapshot: their QEMUs are started anew.
func madeByRoot(ctx context.Context, t *testing.T, dir string, p *libvirt.Provider, img image.Image, vms []*vm, must func(string, error)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "libvirt/pool/*"))
	must("found the machines' files", err)
	for _, f := range files {
		must("gave "+filepath.Base(f)+" to root", os.Chown(f, 0, 0))
		must("closed it to others", os.Chmod(f, 0o600))
	}
	must("restored in new QEMUs", p.Restore(ctx, "last"))
	for _, v := range vms {
		_ = v.conn.Close() // its other end was killed
		must("connected", v.dial(ctx))
		if got := v.run(t, "cat /root/mark"); got != "before" {
			t.Errorf("%s says %q", v.spec.Name, got)
		}
	}
	confined(t, dir, img, len(vms))
}
