package pods

import (
	"log/slog"
	"os"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
)

// cgroupRoot is where the kernel's control groups are.
const cgroupRoot = "/sys/fs/cgroup"

// removeCgroup removes the pod's cgroup, which the runtime made for its containers and
// leaves behind empty (podContainerManagerImpl.Destroy in
// pkg/kubelet/cm/pod_container_manager_linux.go). systemd removes its slices itself.
func (m *PodWorkers) removeCgroup(pod *v1.Pod) {
	if m.Node.SystemdCgroup {
		return
	}
	parent := m.Node.CgroupParent(pod)
	roots := []string{cgroupRoot} // cgroup v2; in v1 there is one tree per controller
	if entries, err := os.ReadDir(cgroupRoot); err == nil {
		for _, e := range entries {
			if e.IsDir() {
				roots = append(roots, filepath.Join(cgroupRoot, e.Name()))
			}
		}
	}
	for _, root := range roots {
		removeEmpty(filepath.Join(root, parent))
	}
}

// removeEmpty removes a tree of directories from the leaves up. Files in a cgroup are
// the kernel's and go with it; one that still has processes stays.
func removeEmpty(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // not there
	}
	for _, e := range entries {
		if e.IsDir() {
			removeEmpty(filepath.Join(dir, e.Name()))
		}
	}
	if err := os.Remove(dir); err != nil {
		slog.Debug("removing a cgroup", "path", dir, "error", err)
	}
}
