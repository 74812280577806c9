package volumes

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	v1 "k8s.io/api/core/v1"
)

// lchown is os.Lchown under a name that a Config can replace. It is the link itself that
// changes its owner, and never what a link of a container points to.
func lchown(path string, uid, gid int) error { return os.Lchown(path, uid, gid) }

// fsGroup is the group that owns the pod's volumes, or nil.
func fsGroup(pod *v1.Pod) *int64 {
	if pod.Spec.SecurityContext == nil {
		return nil
	}
	return pod.Spec.SecurityContext.FSGroup
}

// fsUser is the one user that all containers of the pod run as, or -1 if they
// differ or leave it to their image.
func fsUser(pod *v1.Pod) int {
	user := int64(-1)
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			as := runAsUser(pod, &list[i])
			if as == nil || (user >= 0 && *as != user) {
				return -1
			}
			user = *as
		}
	}
	return int(user)
}

func runAsUser(pod *v1.Pod, c *v1.Container) *int64 {
	if c.SecurityContext != nil && c.SecurityContext.RunAsUser != nil {
		return c.SecurityContext.RunAsUser
	}
	if pod.Spec.SecurityContext != nil {
		return pod.Spec.SecurityContext.RunAsUser
	}
	return nil
}

// groupOwn gives a file to the pod's fsGroup: the group may read it, write it
// unless readOnly, and what is made in a directory later belongs to the group too.
func (m *Manager) groupOwn(path string, info fs.FileInfo, group *int64, readOnly bool) error {
	if group == nil {
		return nil
	}
	if err := m.cfg.Chown(path, -1, int(*group)); err != nil {
		return fmt.Errorf("giving %s to fsGroup %d: %w", path, *group, err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil // chmod would follow it
	}
	add := fs.FileMode(0o660)
	if readOnly {
		add = 0o440
	}
	if info.IsDir() {
		add |= 0o110 | fs.ModeSetgid
	}
	if err := os.Chmod(path, info.Mode()|add); err != nil {
		return fmt.Errorf("opening %s to fsGroup %d: %w", path, *group, err)
	}
	return nil
}

// groupOwnTree gives a whole volume to the pod's fsGroup, the top last: a top
// that is right already then means that all of it is, which is what the policy
// OnRootMismatch trusts.
func (m *Manager) groupOwnTree(top string, pod *v1.Pod) error {
	group := fsGroup(pod)
	if group == nil {
		return nil
	}
	policy := pod.Spec.SecurityContext.FSGroupChangePolicy
	if policy != nil && *policy == v1.FSGroupChangeOnRootMismatch && ownedBy(top, *group) {
		return nil
	}
	var topInfo fs.FileInfo
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if path == top {
			topInfo = info
			return nil
		}
		return m.groupOwn(path, info, group, false)
	})
	if err != nil {
		return fmt.Errorf("changing the group of %s: %w", top, err)
	}
	return m.groupOwn(top, topInfo, group, false)
}

// ownedBy reports whether a directory is as groupOwn leaves it.
func ownedBy(dir string, group int64) bool {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int64(st.Gid) == group && info.Mode().Perm()&0o770 == 0o770 && info.Mode()&fs.ModeSetgid != 0
}
