package prove

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/run"
)

// warnings is how many of the last warnings are shown.
const warnings = 8

// postmortem is what must be known besides of a way that broke its promise:
// what it left behind, and how to go it again.
func postmortem(ctx context.Context, s *run.Session, seed uint64) string {
	text := " [then: " + leftBehind(ctx, s.Cluster, s.Namespace) + "]"
	if len(s.Lab.Vars) > 0 {
		text += fmt.Sprintf(" [again with --seed %d: %s]", seed, vars(run.Variables(s.Lab, seed)))
	}
	return text
}

// vars are a learner's variables in one line.
func vars(values map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, name+"="+values[name])
	}
	return strings.Join(parts, " ")
}

// leftBehind tells what a way that broke its promise left behind: each pod, why its
// containers wait, and the last warnings. The namespace is removed before
// anybody can look, and a failure that comes once in a hundred runs has only
// this to be understood by.
func leftBehind(ctx context.Context, c *check.Cluster, namespace string) string {
	pods, err := c.List(ctx, "Pod", "v1", namespace, "")
	if err != nil {
		return "its pods can't be read: " + err.Error()
	}
	var lines []string
	for _, pod := range typed[v1.Pod](pods) {
		lines = append(lines, podLine(&pod))
	}
	events, err := c.List(ctx, "Event", "v1", namespace, "")
	if err != nil {
		return strings.Join(append(lines, "its events can't be read: "+err.Error()), "; ")
	}
	bad := slices.DeleteFunc(typed[v1.Event](events), func(e v1.Event) bool { return e.Type != v1.EventTypeWarning })
	slices.SortFunc(bad, func(a, b v1.Event) int { return cmp.Compare(when(&a), when(&b)) })
	for _, e := range bad[max(0, len(bad)-warnings):] {
		lines = append(lines, fmt.Sprintf("%s %s of %s: %s", e.LastTimestamp.UTC().Format("15:04:05"), e.Reason, e.InvolvedObject.Name, e.Message))
	}
	return strings.Join(lines, "; ")
}

func when(e *v1.Event) int64 {
	return max(e.LastTimestamp.UnixNano(), e.EventTime.UnixNano())
}

// podLine is a pod in one line.
func podLine(pod *v1.Pod) string {
	line := fmt.Sprintf("pod %s on %s: %s", pod.Name, cmp.Or(pod.Spec.NodeName, "no node"), pod.Status.Phase)
	if pod.DeletionTimestamp != nil {
		line += ", going away"
	}
	for _, s := range pod.Status.ContainerStatuses {
		switch {
		case s.State.Waiting != nil:
			line += fmt.Sprintf(", %s waits (%s: %s)", s.Name, s.State.Waiting.Reason, s.State.Waiting.Message)
		case s.State.Terminated != nil:
			line += fmt.Sprintf(", %s ended (%s, status %d)", s.Name, s.State.Terminated.Reason, s.State.Terminated.ExitCode)
		case !s.Ready:
			line += fmt.Sprintf(", %s runs and isn't ready", s.Name)
		}
	}
	return line
}

// typed are the objects as their own type; what doesn't fit is left out.
func typed[T any](objects []unstructured.Unstructured) []T {
	var out []T
	for i := range objects {
		var t T
		if runtime.DefaultUnstructuredConverter.FromUnstructured(objects[i].Object, &t) == nil {
			out = append(out, t)
		}
	}
	return out
}
