package pods

import (
	"context"
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/agent/status"
	"noriter.dev/noriter/cluster/trace"
)

// crashKey is what a container's back-off goes by. As the definition is part of it, a
// container with a new image starts without a delay.
func (w *podWorker) crashKey(c *v1.Container) string { return string(w.uid) + "/" + startKey(c) }

// doBackOff makes a container that ended wait before it is started again: not the
// first time, then 10 s, 20 s … 300 s after it ended. This is CrashLoopBackOff (doBackOff
// in pkg/kubelet/kuberuntime/kuberuntime_manager.go).
//
// It does not matter how the container ended: one that does its work and exits with 0
// under restartPolicy Always waits like one that crashes. One that has run for ten
// minutes is taken to be well: when it ends, it starts again at once, and its delays
// begin with 10 s.
func (w *podWorker) doBackOff(ctx context.Context, pod *v1.Pod, have *runtime.Pod, c *v1.Container) *startFailure {
	var last *runtime.Container
	for _, candidate := range have.Containers { // the newest first
		if candidate.Name == c.Name && candidate.State == runtime.Exited {
			last = candidate
			break
		}
	}
	if last == nil {
		return nil // it never ran
	}
	key := w.crashKey(c)
	until, delay := w.m.crash.Until(key, last.FinishedAt)
	if delay == 0 {
		w.m.crash.Next(key, last.FinishedAt)
		return nil
	}
	full := podspec.FormatPod(pod)
	w.containerEvent(pod, c, v1.EventTypeWarning, "BackOff",
		fmt.Sprintf("Back-off restarting failed container %s in pod %s", c.Name, full))
	trace.Decide(ctx, trace.For(pod), "wait before starting container "+c.Name+" again",
		fmt.Sprintf("it ended with exit code %d (%s), not for the first time", last.ExitCode, last.Reason),
		"delay", delay.String(), "restarts", last.Restarts)
	return &startFailure{status.Waiting{
		Reason:  crashLoopBackOff,
		Message: fmt.Sprintf("back-off %s restarting failed container=%s pod=%s", delay, c.Name, full),
	}, until}
}

// forgetCrashes drops the back-offs of a pod that is finished.
func (w *podWorker) forgetCrashes() {
	w.m.crash.Forget(func(key string) bool { return strings.HasPrefix(key, string(w.uid)+"/") })
}
