package pods

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/runtime"
)

// logFile is the name of one instance's log: its restart count, and what rotation adds.
var logFile = regexp.MustCompile(`^(\d+)\.log`)

// restartCount numbers the next instance of a container: one more than the last the
// runtime knows, or than the last that left a log (calcRestartCountByLogDir in
// pkg/kubelet/kuberuntime/kuberuntime_container.go). A runtime may forget all its
// containers at a reboot, and then an old log must not be written over.
func (w *podWorker) restartCount(pod *v1.Pod, have *runtime.Pod, c *v1.Container) int {
	if last := have.Newest(c.Name); last != nil {
		return last.Restarts + 1
	}
	dir := filepath.Join(w.m.Node.PodLogDir(pod.Namespace, pod.Name, pod.UID), c.Name)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0 // no logs, no restarts
	}
	next := 0
	for _, e := range entries {
		if m := logFile.FindStringSubmatch(e.Name()); m != nil && !e.IsDir() {
			if n, err := strconv.Atoi(m[1]); err == nil {
				next = max(next, n+1)
			}
		}
	}
	return next
}

// linkLog makes the link by which log collectors find a container's log. Its name says
// which pod and container it is of, which the log's own path says only in part.
func (w *podWorker) linkLog(pod *v1.Pod, c *v1.Container, id, path string) {
	if w.m.ContainerLogs == "" {
		return
	}
	link := filepath.Join(w.m.ContainerLogs, logSymlink(pod.Name, pod.Namespace, c.Name, id))
	if err := os.Symlink(path, link); err != nil && !os.IsExist(err) {
		slog.Warn("linking a container's log", "path", link, "error", err)
	}
}

// logSymlink is NAME_NAMESPACE_CONTAINER-ID.log, cut to what a file name may be
// (logSymlink in pkg/kubelet/kuberuntime/legacy.go).
func logSymlink(pod, namespace, container, id string) string {
	const longest = 251 // a file name's 255 bytes without ".log"
	name := fmt.Sprintf("%s_%s_%s-%s", pod, namespace, container, id)
	return name[:min(len(name), longest)] + ".log"
}

// removeLogs takes a dead container's log away, what rotation made of it, and the link.
func (m *PodWorkers) removeLogs(pod *v1.Pod, c *runtime.Container) error {
	if m.ContainerLogs != "" {
		link := filepath.Join(m.ContainerLogs, logSymlink(pod.Name, pod.Namespace, c.Name, c.ID))
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
