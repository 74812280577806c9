package pods

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	kubelettypes "k8s.io/kubelet/pkg/types"

	"noriter.dev/noriter/cluster/agent/runtime"
)

// HandlePodCleanups says that every pod the API has for this node was given to UpdatePod.
// What the runtime has beyond them, and what is left of them on disk, is removed
// (HandlePodCleanups in pkg/kubelet/kubelet_pods.go). It needs to be called once: what
// becomes an orphan later is noticed when the runtime tells of it.
func (m *PodWorkers) HandlePodCleanups(ctx context.Context) {
	m.mu.Lock()
	m.synced = true
	m.mu.Unlock()
	sandboxes, err := m.Runtime.ListPodSandbox(ctx, nil)
	if err != nil {
		slog.Error("looking for orphaned pods", "error", err) // the next relist finds them too
	}
	for _, s := range sandboxes {
		if uid := kubelettypes.GetPodUID(s.Labels); uid != "" {
			m.wake(types.UID(uid))
		}
	}
	m.cleanupOrphanedPodDirs(ctx)
}

// adoptOrphan starts a worker for a pod that the API doesn't know, in state terminating.
func (m *PodWorkers) adoptOrphan(ctx context.Context, uid types.UID) {
	have, err := runtime.GetPodStatus(ctx, m.Runtime, uid)
	if err != nil {
		slog.Error("reading an orphaned pod", "uid", string(uid), "error", err)
		return
	}
	if len(have.Sandboxes)+len(have.Containers) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.workers[uid] == nil { // the API may have told of it meanwhile
		m.add(newOrphanWorker(m, have))
	}
}

// orphanGrace is how many seconds the containers of an orphan have to stop. Whoever
// deleted the pod waits for it no more.
const orphanGrace = int64(1)

// newOrphanWorker takes care of what is left of a pod that the API knows no more
// (SyncTerminatingRuntimePod in pkg/kubelet/kubelet.go). The pod is put together from
// what the agent noted on its containers, which is enough to stop it properly.
func newOrphanWorker(m *PodWorkers, have *runtime.Pod) *podWorker {
	pod := &v1.Pod{}
	pod.Name, pod.Namespace, pod.UID = have.Name, have.Namespace, have.UID
	if len(have.Sandboxes) > 0 {
		pod.Spec.HostNetwork = have.Sandboxes[0].GetLinux().GetNamespaces().GetOptions().GetNetwork() != 0
	}
	seen := map[string]bool{}
	for _, c := range have.Containers {
		restored, container := runtime.RestoreSpecs(c.Labels, c.Annotations)
		pod.Name, pod.Namespace = restored.Name, restored.Namespace
		if !seen[c.Name] {
			seen[c.Name] = true
			pod.Spec.Containers = append(pod.Spec.Containers, *container)
		}
	}
	grace := orphanGrace
	pod.DeletionGracePeriodSeconds = &grace
	w := newPodWorker(m, pod)
	w.orphan, w.gone, w.state = true, true, terminating
	return w
}

// cleanupOrphanedPodDirs removes what pods left on disk that neither the API nor the
// runtime knows: the node was off when they were deleted.
func (m *PodWorkers) cleanupOrphanedPodDirs(ctx context.Context) {
	for uid, logs := range m.podsOnDisk() {
		if m.known(uid) {
			continue
		}
		have, err := runtime.GetPodStatus(ctx, m.Runtime, uid)
		// known is asked again, because reading takes time in which a pod may come.
		if err != nil || len(have.Sandboxes)+len(have.Containers) > 0 || m.known(uid) {
			continue // an orphan's worker removes it
		}
		err = errors.Join(m.Volumes.TearDown(ctx, uid), m.removePodDir(uid))
		if logs != "" {
			err = errors.Join(err, os.RemoveAll(logs))
		}
		if err != nil {
			slog.Warn("removing what is left of a pod long gone", "uid", string(uid), "error", err)
		}
	}
}

// podsOnDisk are the pods that have a directory or logs here, with their log directory.
func (m *PodWorkers) podsOnDisk() map[types.UID]string {
	found := map[types.UID]string{}
	// A directory that can't be read was never made, or nothing can be removed there.
	dirs, _ := os.ReadDir(filepath.Join(m.Node.RootDir, "pods"))
	for _, d := range dirs {
		found[types.UID(d.Name())] = ""
	}
	logs, _ := os.ReadDir(m.Node.LogDir)
	for _, l := range logs {
		// NAMESPACE_NAME_UID: none of the three has a "_" in it.
		if parts := strings.Split(l.Name(), "_"); len(parts) == 3 {
			found[types.UID(parts[2])] = filepath.Join(m.Node.LogDir, l.Name())
		}
	}
	return found
}

func (m *PodWorkers) known(uid types.UID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.workers[uid] != nil
}

// removePodDir removes the pod's directory once no volume is in it any more. It never
// descends into one: what is mounted there may be someone else's data.
func (m *PodWorkers) removePodDir(uid types.UID) error {
	dir := m.Node.PodDir(uid)
	volumes := filepath.Join(dir, "volumes")
	kinds, err := os.ReadDir(volumes)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking for volumes left behind: %w", err)
	}
	for _, kind := range kinds {
		left, err := os.ReadDir(filepath.Join(volumes, kind.Name()))
		if err != nil {
			return fmt.Errorf("looking for volumes left behind: %w", err)
		}
		if len(left) > 0 {
			return fmt.Errorf("volume %s of the pod is still in %s", left[0].Name(), volumes)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing the pod's directory: %w", err)
	}
	return nil
}
