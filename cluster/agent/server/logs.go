package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/cri-client/pkg/logs"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
)

// logRequest is what the query of /containerLogs asks for; the fields are those of
// PodLogOptions.
type logRequest struct {
	options        logs.LogOptions
	previous       bool
	stdout, stderr bool
}

// containerLogs sends what a container wrote. Nothing of the answer is sent before
// there is a line, so that a failure can still be an error with its own text.
func (s *Server) containerLogs(w http.ResponseWriter, r *http.Request) {
	name, container := r.PathValue("pod"), r.PathValue("container")
	ask, err := parseLogRequest(r.URL.Query(), s.cfg.Clock.Now())
	if err != nil {
		http.Error(w, fmt.Sprintf(`{"message": %q}`, err), http.StatusUnprocessableEntity)
		return
	}
	pod, ok := s.cfg.Pods.Get(r.PathValue("namespace"), name)
	if !ok {
		http.Error(w, fmt.Sprintf("pod %q does not exist", name), http.StatusNotFound)
		return
	}
	if podspec.FindContainer(pod, container) == nil {
		http.Error(w, fmt.Sprintf("container %q not found in pod %q", container, name), http.StatusNotFound)
		return
	}
	out := &flusher{w: w}
	if err := s.copyLogs(r.Context(), pod, container, ask, out); err != nil && r.Context().Err() == nil {
		if !out.wrote {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = fmt.Fprintln(out, err)
	}
}

// copyLogs finds the container that is meant and copies its log.
func (s *Server) copyLogs(ctx context.Context, pod *v1.Pod, container string, ask *logRequest, out io.Writer) error {
	id, err := logContainer(pod, container, ask.previous)
	if err != nil {
		return err
	}
	status, err := s.cfg.Runtime.ContainerStatus(ctx, id, false)
	if err != nil {
		return fmt.Errorf("unable to retrieve container logs for %s: %w", runtime.ContainerID(id), err)
	}
	path := status.GetStatus().GetLogPath()
	if path == "" {
		return fmt.Errorf("container %q in pod %q keeps no log file", container, pod.Name)
	}
	var stdout, stderr io.Writer
	if ask.stdout {
		stdout = out
	}
	if ask.stderr {
		stderr = out
	}
	return logs.ReadLogs(ctx, path, id, &ask.options, s.cfg.Runtime, stdout, stderr)
}

// parseLogRequest reads the query, and says everything that is wrong with it. now is what
// sinceSeconds counts from.
func parseLogRequest(query url.Values, now time.Time) (*logRequest, error) {
	ask := &logRequest{stdout: true, stderr: true}
	q := logQuery{values: query}
	ask.options.Follow, ask.options.Timestamp, ask.previous = q.flag("follow"), q.flag("timestamps"), q.flag("previous")
	tail := query.Get("tailLines")
	if old := query.Get("tail"); old != "" {
		tail = strings.TrimPrefix(old, "all")
	}
	ask.options.TailLines = q.number("tailLines", tail, 0)
	ask.options.LimitBytes = q.number("limitBytes", query.Get("limitBytes"), 1)
	since := q.number("sinceSeconds", query.Get("sinceSeconds"), 1)
	if since != nil {
		ask.options.Since = now.Add(-time.Duration(*since) * time.Second)
	}
	if text := query.Get("sinceTime"); text != "" {
		t, err := time.Parse(time.RFC3339, text)
		switch {
		case err != nil:
			q.wrong("sinceTime must be a time as in RFC 3339: %w", err)
		case since != nil:
			q.wrong("at most one of sinceTime and sinceSeconds may be given")
		}
		ask.options.Since = t
	}
	switch stream := query.Get("stream"); stream {
	case "", v1.LogStreamAll:
	case v1.LogStreamStdout:
		ask.stderr = false
	case v1.LogStreamStderr:
		ask.stdout = false
	default:
		q.wrong("stream must be All, Stdout or Stderr, not %q", stream)
	}
	return ask, errors.Join(q.errs...)
}

// logQuery reads single values of a query and collects what is wrong with them.
type logQuery struct {
	values url.Values
	errs   []error
}

func (q *logQuery) wrong(format string, args ...any) {
	q.errs = append(q.errs, fmt.Errorf(format, args...))
}

func (q *logQuery) flag(name string) bool {
	ok, err := parseBool(q.values.Get(name))
	if err != nil {
		q.wrong("%s: %w", name, err)
	}
	return ok
}

// number reads text, the value of name; nil if there is none.
func (q *logQuery) number(name, text string, least int64) *int64 {
	if text == "" {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least {
		q.wrong("%s must be a number of at least %d, not %q", name, least, text)
		return nil
	}
	return &n
}

// parseBool takes the spellings that the API machinery takes; a name without a
// value is a no.
func parseBool(text string) (bool, error) {
	if text == "" {
		return false, nil
	}
	return strconv.ParseBool(text)
}

// logContainer finds the runtime's ID of the container whose log is meant: the
// running one, or else the last that ran, or with previous the one before.
func logContainer(pod *v1.Pod, name string, previous bool) (string, error) {
	status := podspec.FindContainerStatus(&pod.Status, name)
	if status == nil {
		return "", fmt.Errorf("container %q in pod %q is not available", name, pod.Name)
	}
	last := ""
	if t := status.LastTerminationState.Terminated; t != nil {
		last = t.ContainerID
	}
	switch state := status.State; {
	case previous:
		if last == "" {
			return "", fmt.Errorf("previous terminated container %q in pod %q not found", name, pod.Name)
		}
		return runtime.ParseContainerID(last), nil
	case state.Running != nil:
		return runtime.ParseContainerID(status.ContainerID), nil
	case state.Terminated != nil && state.Terminated.ContainerID != "":
		return runtime.ParseContainerID(state.Terminated.ContainerID), nil
	case last != "":
		return runtime.ParseContainerID(last), nil
	case state.Terminated != nil, status.LastTerminationState.Terminated != nil:
		return "", fmt.Errorf("container %q in pod %q is terminated", name, pod.Name)
	case state.Waiting != nil:
		return "", fmt.Errorf("container %q in pod %q is waiting to start: %s", name, pod.Name, waitingFor(state.Waiting.Reason))
	}
	return "", fmt.Errorf("container %q in pod %q is waiting to start - no logs yet", name, pod.Name)
}

// waitingFor is the reason in words where kubectl users know words for it.
func waitingFor(reason string) string {
	switch reason {
	case "ErrImagePull":
		return "image can't be pulled"
	case "ImagePullBackOff":
		return "trying and failing to pull image"
	}
	return reason
}

// flusher sends every line on its way at once.
type flusher struct {
	w     http.ResponseWriter
	wrote bool
}

func (f *flusher) Write(data []byte) (int, error) {
	if !f.wrote {
		f.wrote = true
		f.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	n, err := f.w.Write(data)
	if err == nil {
		err = http.NewResponseController(f.w).Flush()
	}
	return n, err
}
