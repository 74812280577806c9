package pods

import (
	"context"
	"fmt"
	"log/slog"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
)

// containersToKeep is how many instances of a container are kept: the present one, and
// the one before for `kubectl logs --previous` (the kubelet's default of
// --maximum-dead-containers-per-container is 1).
const containersToKeep = 2

// evictOldContainers removes the instances of containers that nobody will ask for again,
// and sandboxes that were replaced and are empty (containerGC in
// pkg/kubelet/kuberuntime/kuberuntime_gc.go). Without it a container that crashes all
// night would leave hundreds behind.
func (w *podWorker) evictOldContainers(ctx context.Context, pod *v1.Pod, have *runtime.Pod) {
	kept := map[string]int{}
	inUse := map[string]bool{}          // sandboxes, by ID
	for _, c := range have.Containers { // the newest first
		kept[c.Name]++
		if kept[c.Name] <= containersToKeep || c.State == runtime.Running || c.State == runtime.Unknown {
			inUse[c.SandboxID] = true
			continue
		}
		if err := w.m.removeContainer(ctx, pod, c); err != nil {
			slog.Warn("removing a dead container", "pod", podspec.FormatPod(pod), "error", err)
			inUse[c.SandboxID] = true
		}
	}
	for i, s := range have.Sandboxes {
		if i == 0 || inUse[s.Id] || s.State == cri.PodSandboxState_SANDBOX_READY {
			continue
		}
		if err := w.m.Runtime.RemovePodSandbox(ctx, s.Id); err != nil && !runtime.IsNotFound(err) {
			slog.Warn("removing a replaced sandbox", "pod", podspec.FormatPod(pod), "error", err)
		}
	}
}

// purgeInitContainers removes the init containers of the sandboxes before: they run again
// in the new one, and their old ends must not be taken for new ones.
func (w *podWorker) purgeInitContainers(ctx context.Context, pod *v1.Pod, have *runtime.Pod) {
	for _, c := range have.Containers {
		for i := range pod.Spec.InitContainers {
			if pod.Spec.InitContainers[i].Name != c.Name || c.State == runtime.Running {
				continue
			}
			if err := w.m.removeContainer(ctx, pod, c); err != nil {
				slog.Warn("removing an init container of an earlier sandbox", "pod", podspec.FormatPod(pod), "error", err)
			}
		}
	}
}

// removeContainer takes one dead container away, and its log.
func (m *PodWorkers) removeContainer(ctx context.Context, pod *v1.Pod, c *runtime.Container) error {
	if err := m.Runtime.RemoveContainer(ctx, c.ID); err != nil && !runtime.IsNotFound(err) {
		return fmt.Errorf("removing container %s: %w", c.Name, err)
	}
	return m.removeLogs(pod, c)
}
