package nspawn

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
)

// canShift says whether machines can have users of their own on this host.
func (p *Provider) canShift() bool {
	p.shifts.Do(func() { p.shifted = tryUsers(p.image, p.dir) == nil })
	return p.shifted
}

// mountShifted mounts a folder in another place, read-only, where what is root's belongs
// to a host id, what is of user 1 to the next, and so on (mount_setattr(2),
// MOUNT_ATTR_IDMAP).
func mountShifted(first int, from, to string) error {
	ns, err := userNamespace(first)
	if err != nil {
		return err
	}
	defer ns.Close()
	tree, err := unix.OpenTree(unix.AT_FDCWD, from, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return lang.Errorf("opening %s: %w", "%s 열기: %w", from, err)
	}
	defer unix.Close(tree)
	err = unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{
		Attr_set: unix.MOUNT_ATTR_IDMAP | unix.MOUNT_ATTR_RDONLY, Userns_fd: uint64(ns.Fd()),
	})
	if err != nil {
		return lang.Errorf("shifting the owners of %s: %w", "%s의 소유자 옮기기: %w", from, err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, to, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return lang.Errorf("mounting %s: %w", "%s 마운트: %w", to, err)
	}
	return nil
}

// userNamespace makes a user namespace whose root is a host id. Only a process can have
// one made: this is one that waits at a pipe until the namespace's file is open.
func userNamespace(first int) (*os.File, error) {
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: first, Size: userIDs}}
	cmd := exec.Command("cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids}
	hold, err := cmd.StdinPipe()
	if err != nil {
		return nil, lang.Errorf("making a user namespace: %w", "사용자 네임스페이스 만들기: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, lang.Errorf("making a user namespace: %w", "사용자 네임스페이스 만들기: %w", err)
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", cmd.Process.Pid))
	_ = hold.Close() // it ends
	_ = cmd.Wait()
	if err != nil {
		return nil, lang.Errorf("opening the user namespace: %w", "사용자 네임스페이스 열기: %w", err)
	}
	return ns, nil
}
