package pods

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
)

// syncTerminatedPod is one look at a pod of which nothing runs any more
// (SyncTerminatedPod in pkg/kubelet/kubelet.go). What others may wait for goes at once:
// volumes, cgroups, and then, if the pod is being deleted, its API object. Its containers
// stay, for their logs, until the API has the pod no more: `kubectl logs` of a finished
// Job reads them.
func (w *podWorker) syncTerminatedPod(ctx context.Context) (state, time.Duration) {
	pod, gone := w.current()
	if !w.tornDown {
		if err := w.m.Volumes.TearDown(ctx, w.uid); err != nil {
			slog.Warn("removing the volumes of a pod", "pod", podspec.FormatPod(pod), "error", err)
			return terminated, runtimeRetry
		}
		w.m.removeCgroup(pod)
		w.tornDown = true
		w.m.Statuses.TerminatePod(w.uid)
	}
	if !gone {
		return terminated, resync
	}
	if wait := w.awaitQuiet(); wait > 0 {
		return terminated, wait
	}
	if err := w.removeRemains(ctx, pod); err != nil {
		if ctx.Err() == nil {
			slog.Warn("removing what is left of a pod", "pod", podspec.FormatPod(pod), "error", err)
		}
		return terminated, runtimeRetry
	}
	w.m.Statuses.DeletePodStatus(w.uid)
	w.m.Images.ForgetPod(w.uid)
	w.forgetCrashes()
	return finished, again
}

// Removing what is left of dead pods is work for the runtime that nobody waits for.
const (
	// quietLook is how often it is looked whether other pods are still busy.
	quietLook = 200 * time.Millisecond
	// quietLimit is the longest that remains stay: ContainerGCPeriod in
	// pkg/kubelet/kubelet.go.
	quietLimit = time.Minute
)

// awaitQuiet says how long to wait before the pod's remains are removed: while other
// pods are being started or stopped, the runtime should have time for those. When sixty
// pods were deleted together and their containers removed at once, the last of them
// ended twice as late.
func (w *podWorker) awaitQuiet() time.Duration {
	now := w.m.Clock.Now()
	if w.goneSince.IsZero() {
		w.goneSince = now
	}
	if w.m.busy.Load() > 0 && now.Sub(w.goneSince) < quietLimit {
		return quietLook
	}
	return 0
}

// removeRemains takes the pod's containers, sandboxes, logs and directory away.
func (w *podWorker) removeRemains(ctx context.Context, pod *v1.Pod) error {
	select {
	case w.m.removing <- struct{}{}: // one pod at a time
		defer func() { <-w.m.removing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	have, err := runtime.GetPodStatus(ctx, w.m.Runtime, w.uid)
	if err != nil {
		return err
	}
	// Containers before their sandbox: it is the sandbox that keeps their namespaces.
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
