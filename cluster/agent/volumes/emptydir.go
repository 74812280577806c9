package volumes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"noriter.dev/noriter/cluster/agent/podspec"
)

// emptyDir makes scratch space that lives as long as the pod, on the disk or in memory
// (pkg/volume/emptydir). The limit of a disk-backed one is not enforced by the file
// system.
func (m *Manager) emptyDir(pod *v1.Pod, name string, src *v1.EmptyDirVolumeSource) (Mounted, error) {
	dir := m.volumeDir(pod.UID, "empty-dir", name)
	got := Mounted{Path: dir, Plugin: "kubernetes.io/empty-dir"}
	switch src.Medium {
	case v1.StorageMediumDefault:
		return got, m.scratch(dir, pod)
	case v1.StorageMediumMemory:
		return got, m.tmpfs(dir, m.memoryBound(pod, src.SizeLimit), fsGroup(pod))
	default:
		return Mounted{}, fmt.Errorf("storage medium %q is not supported on this node: it has no huge pages", src.Medium)
	}
}

// scratch makes a directory that every user of the pod may write to. It gets its
// mode and group under another name first, so that a directory of the right name
// is a finished one. What the pod makes of its mode later is not changed back.
func (m *Manager) scratch(dir string, pod *v1.Pod) error {
	if _, err := os.Lstat(dir); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking for %s: %w", dir, err)
	}
	raw := filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir))
	if err := os.MkdirAll(raw, 0o750); err != nil {
		return fmt.Errorf("making the directory: %w", err)
	}
	if err := os.Chmod(raw, 0o777); err != nil {
		return fmt.Errorf("opening the directory: %w", err)
	}
	info, err := os.Lstat(raw)
	if err != nil {
		return fmt.Errorf("looking at the directory: %w", err)
	}
	if err := m.groupOwn(raw, info, fsGroup(pod), false); err != nil {
		return err
	}
	if err := os.Rename(raw, dir); err != nil {
		return fmt.Errorf("finishing the directory: %w", err)
	}
	return nil
}

// memoryBound is the size of a tmpfs in bytes: the volume's limit, but never more
// than the pod may use, or else the node can allot. Zero leaves it to the kernel
// (half of the memory).
func (m *Manager) memoryBound(pod *v1.Pod, limit *resource.Quantity) int64 {
	var bound int64
	if node := m.cfg.Node(); node != nil {
		bound = node.Status.Allocatable.Memory().Value()
	}
	for _, l := range []int64{podMemoryLimit(pod), quantityValue(limit)} {
		if l > 0 && (bound == 0 || l < bound) {
			bound = l
		}
	}
	return bound
}

func quantityValue(q *resource.Quantity) int64 {
	if q == nil {
		return 0
	}
	return q.Value()
}

// podMemoryLimit is the sum of the containers' limits, or of the pod itself, in
// bytes; zero if one container has none.
func podMemoryLimit(pod *v1.Pod) int64 {
	if r := pod.Spec.Resources; r != nil && !r.Limits.Memory().IsZero() {
		return r.Limits.Memory().Value()
	}
	var sum, init int64
	for _, c := range pod.Spec.Containers {
		l := c.Resources.Limits.Memory().Value()
		if l == 0 {
			return 0
		}
		sum += l
	}
	for _, c := range pod.Spec.InitContainers {
		l := c.Resources.Limits.Memory().Value()
		if l == 0 {
			return 0
		}
		if podspec.IsSidecar(&c) {
			sum += l
		}
		init = max(init, l)
	}
	return max(sum, init)
}
