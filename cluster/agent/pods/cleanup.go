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
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
)

// cleanUp is one look at a pod of which nothing runs any more. Its containers stay,
// for their logs, until the API has the pod no more.
func (w *worker) cleanUp(ctx context.Context) (State, time.Duration) {
	pod, gone := w.current()
	if !w.tornDown {
		if err := w.m.Volumes.TearDown(ctx, w.uid); err != nil {
			slog.Warn("removing the volumes of a pod", "pod", podspec.Full(pod), "error", err)
			return Terminated, runtimeRetry
		}
		w.m.removeCgroup(pod)
		w.tornDown = true
		w.m.Statuses.Finish(w.uid)
	}
	if !gone {
		return Terminated, resync
	}
	if wait := w.awaitQuiet(); wait > 0 {
		return Terminated, wait
	}
	if err := w.remove(ctx, pod); err != nil {
		if ctx.Err() == nil {
			slog.Warn("removing what is left of a pod", "pod", podspec.Full(pod), "error", err)
		}
		return Terminated, runtimeRetry
	}
	w.m.Statuses.Forget(w.uid)
	w.m.Images.Forget(w.uid)
	w.m.crash.Forget(func(key string) bool { return strings.HasPrefix(key, string(w.uid)+"/") })
	return Gone, again
}

// Removing what is left of dead pods is work for the runtime that nobody waits for.
const (
	quietLook  = 200 * time.Millisecond
	quietLimit = time.Minute // as often as upstream collects garbage
)

// awaitQuiet says how long to wait before the pod's remains are removed: while other
// pods are being started or stopped, the runtime should have time for those.
func (w *worker) awaitQuiet() time.Duration {
	now := w.m.Clock.Now()
	if w.goneSince.IsZero() {
		w.goneSince = now
	}
	if w.m.busy.Load() > 0 && now.Sub(w.goneSince) < quietLimit {
		return quietLook
	}
	return 0
}

// remove takes the pod's containers, sandboxes, logs and directory away.
func (w *worker) remove(ctx context.Context, pod *v1.Pod) error {
	select {
	case w.m.removing <- struct{}{}: // one pod at a time
		defer func() { <-w.m.removing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	have, err := runtime.Read(ctx, w.m.Runtime, w.uid)
	if err != nil {
		return err
	}
	for _, c := range have.Containers {
		if err := w.m.removeContainer(ctx, pod, c); err != nil {
			return err
		}
	}
	for _, s := range have.Sandboxes {
		if err := w.m.Runtime.RemovePodSandbox(ctx, s.Id); err != nil && !runtime.IsNotFound(err) {
			return fmt.Errorf("removing the sandbox: %w", err)
		}
	}
	if err := os.RemoveAll(w.m.Node.PodLogDir(pod.Namespace, pod.Name, w.uid)); err != nil {
		return fmt.Errorf("removing the logs: %w", err)
	}
	return w.m.removePodDir(w.uid)
}

// removeContainer takes one dead container away, its log and the link to it.
func (m *Manager) removeContainer(ctx context.Context, pod *v1.Pod, c *runtime.Container) error {
	if err := m.Runtime.RemoveContainer(ctx, c.ID); err != nil && !runtime.IsNotFound(err) {
		return fmt.Errorf("removing container %s: %w", c.Name, err)
	}
	if m.ContainerLogs != "" {
		link := filepath.Join(m.ContainerLogs, logLink(pod.Name, pod.Namespace, c.Name, c.ID))
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the link to a log: %w", err)
		}
	}
	if c.LogPath == "" {
		return nil
	}
	// Rotated logs have a suffix: 3.log.20260102-150405.gz.
	rotated, err := filepath.Glob(c.LogPath + ".*")
	if err != nil {
		return fmt.Errorf("finding rotated logs: %w", err)
	}
	for _, path := range append(rotated, c.LogPath) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a log: %w", err)
		}
	}
	return nil
}

// removePodDir removes the pod's directory once no volume is in it any more. It never
// descends into one: what is mounted there may be someone else's data.
func (m *Manager) removePodDir(uid types.UID) error {
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

// purgeInit removes the init containers of the sandboxes before: they run again in
// the new one, and their old ends must not be taken for new ones.
func (w *worker) purgeInit(ctx context.Context, pod *v1.Pod, have *runtime.Pod) {
	for _, c := range have.Containers {
		for i := range pod.Spec.InitContainers {
			if pod.Spec.InitContainers[i].Name != c.Name || c.State == runtime.Running {
				continue
			}
			if err := w.m.removeContainer(ctx, pod, c); err != nil {
				slog.Warn("removing an init container of an earlier sandbox", "pod", podspec.Full(pod), "error", err)
			}
		}
	}
}

// cgroupRoot is where the kernel's control groups are.
const cgroupRoot = "/sys/fs/cgroup"

// removeCgroup removes the pod's cgroup, which the runtime made for its containers
// and leaves behind empty. systemd removes its slices itself.
func (m *Manager) removeCgroup(pod *v1.Pod) {
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

// sweep removes what pods left on disk that neither the API nor the runtime knows:
// the node was off when they were deleted.
func (m *Manager) sweep(ctx context.Context) {
	for uid, logs := range m.onDisk() {
		if m.known(uid) {
			continue
		}
		have, err := runtime.Read(ctx, m.Runtime, uid)
		if err != nil || len(have.Sandboxes)+len(have.Containers) > 0 || m.known(uid) {
			continue // an orphan worker removes it
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

// onDisk are the pods that have a directory or logs here, with their log directory.
func (m *Manager) onDisk() map[types.UID]string {
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

func (m *Manager) known(uid types.UID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.workers[uid] != nil
}

// keepDead is how many instances of a container are kept: the present one, and the
// one before for `kubectl logs --previous`.
const keepDead = 2

// prune removes the instances of containers that nobody will ask for again, and
// sandboxes that were replaced and are empty.
func (w *worker) prune(ctx context.Context, pod *v1.Pod, have *runtime.Pod) {
	kept := map[string]int{}
	inUse := map[string]bool{}
	for _, c := range have.Containers { // the newest first
		kept[c.Name]++
		if kept[c.Name] <= keepDead || c.State == runtime.Running || c.State == runtime.Unknown {
			inUse[c.SandboxID] = true
			continue
		}
		if err := w.m.removeContainer(ctx, pod, c); err != nil {
			slog.Warn("removing a dead container", "pod", podspec.Full(pod), "error", err)
			inUse[c.SandboxID] = true
		}
	}
	for i, s := range have.Sandboxes {
		if i == 0 || inUse[s.Id] || s.State == cri.PodSandboxState_SANDBOX_READY {
			continue
		}
		if err := w.m.Runtime.RemovePodSandbox(ctx, s.Id); err != nil && !runtime.IsNotFound(err) {
			slog.Warn("removing a replaced sandbox", "pod", podspec.Full(pod), "error", err)
		}
	}
}
