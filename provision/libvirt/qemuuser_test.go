package libvirt

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"noriter.dev/noriter/provision/machine"
)

func TestQEMUsGroup(t *testing.T) {
	device := filepath.Join(t.TempDir(), "kvm")
	u := &user.User{Username: "libvirt-qemu", Uid: "64055", Gid: "107"}
	if q, err := asQEMU(u, nil, device); err != nil || q != (qemuUser{"libvirt-qemu", 64055, 107}) {
		t.Errorf("without KVM: %+v, %v", q, err)
	}
	needs(t, os.Geteuid() == 0, "root")
	must(t, os.WriteFile(device, nil, 0o600))
	for _, c := range []struct {
		what   string
		mode   os.FileMode
		groups []string
		gid    int // of the device
		want   int // 0: it can't be opened
	}{
		{"for everybody", 0o666, nil, 0, 107},
		{"of the user's own group", 0o660, nil, 107, 107},
		{"of another of the user's groups", 0o660, []string{"993"}, 993, 107},
		{"of a group the user is not in", 0o660, []string{"107"}, 993, 993},
		{"of a group that may only read", 0o640, []string{"993"}, 993, 0},
		{"of root's group", 0o660, nil, 0, 0},
		{"of root", 0o600, nil, 993, 0},
	} {
		must(t, os.Chown(device, -1, c.gid))
		must(t, os.Chmod(device, c.mode))
		q, err := asQEMU(u, c.groups, device)
		var lack *machine.HostError
		switch {
		case c.want == 0:
			if !errors.As(err, &lack) || !strings.Contains(lack.Remedy, "chgrp 107 "+device) {
				t.Errorf("a device %s: %+v, %v", c.what, q, err)
			}
		case err != nil || q.gid != c.want:
			t.Errorf("a device %s: group %d, %v; want %d", c.what, q.gid, err, c.want)
		}
	}
}

func TestQEMUConf(t *testing.T) {
	conf := qemuConf(qemuUser{"qemu", 107, 993})
	for _, line := range []string{`user = "qemu"`, `group = "+993"`, "seccomp_sandbox = 1", "dynamic_ownership = 0"} {
		if !strings.Contains(conf, line+"\n") {
			t.Errorf("qemu.conf has no line %s:\n%s", line, conf)
		}
	}
}

func TestNoQEMUUser(t *testing.T) {
	defer func(names []string) { qemuUsers = names }(qemuUsers)
	qemuUsers = []string{"no-such-user-" + strconv.Itoa(os.Getpid()), "nor-this-one"}
	var lack *machine.HostError
	if _, err := hostQEMUUser(); !errors.As(err, &lack) || lack.Remedy == "" {
		t.Errorf("without QEMU's user: %v", err)
	}
}
