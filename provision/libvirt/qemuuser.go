package libvirt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/distro"
	"noriter.dev/noriter/provision/machine"
)

// qemuUser is whom the QEMUs of an isolated testbed run as: nobody else's
// files are theirs, so that who breaks out of a machine has little.
type qemuUser struct {
	name     string
	uid, gid int
}

// qemuUsers are the names that distributions give it, with their packages of
// libvirt or QEMU: Debian's and Arch's, then Fedora's and openSUSE's.
var qemuUsers = []string{"libvirt-qemu", "qemu"}

const kvmDevice = "/dev/kvm"

// hostQEMUUser finds it on this host, a *machine.HostError where there is none.
func hostQEMUUser() (qemuUser, error) {
	for _, name := range qemuUsers {
		u, err := user.Lookup(name)
		var unknown user.UnknownUserError
		if errors.As(err, &unknown) {
			continue
		}
		if err != nil {
			return qemuUser{}, lang.Errorf("looking for QEMU's user: %w", "QEMU의 사용자 찾기: %w", err)
		}
		groups, err := u.GroupIds()
		if err != nil {
			return qemuUser{}, lang.Errorf("looking for the groups of %s: %w", "%s의 그룹 찾기: %w", name, err)
		}
		return asQEMU(u, groups, kvmDevice)
	}
	return qemuUser{}, &machine.HostError{
		What: lang.Textf("this host has no user for QEMU: neither %s nor %s", "이 호스트에 QEMU용 사용자가 없습니다: %s도 %s도 없습니다",
			qemuUsers[0], qemuUsers[1]).String(),
		Remedy: distro.Remedy(hostPrograms...),
	}
}

// asQEMU chooses the group: the user's own, or that of the KVM device if the
// user can't open it otherwise. libvirt probes QEMU again at every call, which
// takes it a minute, as long as QEMU may not open a device that is there.
func asQEMU(u *user.User, groups []string, device string) (qemuUser, error) {
	q := qemuUser{name: u.Username}
	var err error
	if q.uid, err = strconv.Atoi(u.Uid); err == nil {
		q.gid, err = strconv.Atoi(u.Gid)
	}
	if err != nil {
		return q, lang.Errorf("reading the numbers of user %s: %w", "사용자 %s의 번호 읽기: %w", u.Username, err)
	}
	fi, err := os.Stat(device)
	if errors.Is(err, fs.ErrNotExist) {
		return q, nil
	}
	if err != nil {
		return q, lang.Errorf("looking at the KVM device: %w", "KVM 장치 확인: %w", err)
	}
	owner, known := fi.Sys().(*syscall.Stat_t)
	mode := fi.Mode().Perm()
	byGroup := mode&0o060 == 0o060
	switch {
	case !known, mode&0o006 == 0o006, int(owner.Uid) == q.uid && mode&0o600 == 0o600:
	case byGroup && (int(owner.Gid) == q.gid || slices.Contains(groups, strconv.Itoa(int(owner.Gid)))):
	case byGroup && owner.Gid != 0:
		q.gid = int(owner.Gid)
	default:
		return q, &machine.HostError{
			What:   lang.Textf("QEMU's user %s may not open %s", "QEMU의 사용자 %s이(가) %s을(를) 열 수 없습니다", q.name, device).String(),
			Remedy: fmt.Sprintf("chgrp %d %s && chmod 660 %s", q.gid, device, device),
		}
	}
	return q, nil
}
