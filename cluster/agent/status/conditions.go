package status

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
)

// The reasons of the conditions the agent writes (pkg/kubelet/status/generate.go).
const (
	reasonUnknownStatuses = "UnknownContainerStatuses"
	reasonPodCompleted    = "PodCompleted"
	reasonPodFailed       = "PodFailed"
	reasonNotReady        = "ContainersNotReady"
	reasonNotInitialized  = "ContainersNotInitialized"
	reasonGatesNotReady   = "ReadinessGatesNotReady"
	reasonSandboxNotReady = "PodSandboxNotReady"
	unknownMessage        = "containers with unknown status: %s"
	conditionTrue         = v1.ConditionTrue
	conditionFalse        = v1.ConditionFalse
)

// owned are the conditions that only the agent writes; all others are kept as found.
var owned = map[v1.PodConditionType]bool{
	v1.PodReadyToStartContainers: true,
	v1.PodInitialized:            true,
	v1.PodReady:                  true,
	v1.ContainersReady:           true,
	v1.PodScheduled:              true,
}

// condition makes one that is true exactly if why has no reason.
func condition(kind v1.PodConditionType, reason, message string) v1.PodCondition {
	c := v1.PodCondition{Type: kind, Status: conditionTrue}
	if reason != "" {
		c.Status, c.Reason, c.Message = conditionFalse, reason, message
	}
	return c
}

// conditions are those of others, kept, and the agent's own in their usual order.
// status is complete but for them.
func generateConditions(pod *v1.Pod, status *v1.PodStatus, have *runtime.Pod) []v1.PodCondition {
	var all []v1.PodCondition
	for _, c := range pod.Status.Conditions {
		if !owned[c.Type] {
			all = append(all, c)
		}
	}
	statuses := append(append([]v1.ContainerStatus(nil), status.InitContainerStatuses...), status.ContainerStatuses...)
	ready := generateContainersReadyCondition(pod, statuses, status.Phase)
	return append(all,
		generatePodReadyToStartContainersCondition(pod, have),
		generatePodInitializedCondition(pod, statuses, status.Phase),
		generatePodReadyCondition(pod, all, ready),
		ready,
		condition(v1.PodScheduled, "", ""),
	)
}

// readyToStart says whether the pod has a sandbox with its network (KEP-3085).
func generatePodReadyToStartContainersCondition(pod *v1.Pod, have *runtime.Pod) v1.PodCondition {
	if verdict := podspec.PodSandboxChanged(pod, have); verdict.Changed {
		return condition(v1.PodReadyToStartContainers, reasonSandboxNotReady, verdict.Why)
	}
	return condition(v1.PodReadyToStartContainers, "", "")
}

// initialized is true once the init containers are done, and stays so.
func generatePodInitializedCondition(pod *v1.Pod, statuses []v1.ContainerStatus, phase v1.PodPhase) v1.PodCondition {
	var unknown, incomplete []string
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		switch s := findContainerStatus(statuses, c.Name); {
		case s == nil:
			unknown = append(unknown, c.Name)
		case podspec.IsSidecar(c) && (s.Started == nil || !*s.Started), !podspec.IsSidecar(c) && !s.Ready:
			incomplete = append(incomplete, c.Name)
		}
	}
	if phase == v1.PodSucceeded && len(unknown) == 0 {
		done := condition(v1.PodInitialized, "", "")
		done.Reason = reasonPodCompleted
		return done
	}
	for i := range pod.Spec.Containers {
		if s := findContainerStatus(statuses, pod.Spec.Containers[i].Name); s != nil && (s.State.Running != nil || s.State.Terminated != nil) {
			return condition(v1.PodInitialized, "", "")
		}
	}
	if message := join(unknown, "containers with incomplete status: %s", incomplete); message != "" {
		for _, c := range pod.Status.Conditions {
			if c.Type == v1.PodInitialized && c.Status == conditionTrue {
				return condition(v1.PodInitialized, "", "")
			}
		}
		return condition(v1.PodInitialized, reasonNotInitialized, message)
	}
	return condition(v1.PodInitialized, "", "")
}

// containersReady is true if every main container and sidecar is ready.
func generateContainersReadyCondition(pod *v1.Pod, statuses []v1.ContainerStatus, phase v1.PodPhase) v1.PodCondition {
	if statuses == nil {
		return condition(v1.ContainersReady, reasonUnknownStatuses, "")
	}
	var unknown, unready []string
	look := func(c *v1.Container) {
		switch s := findContainerStatus(statuses, c.Name); {
		case s == nil:
			unknown = append(unknown, c.Name)
		case !s.Ready:
			unready = append(unready, c.Name)
		}
	}
	for i := range pod.Spec.InitContainers {
		if podspec.IsSidecar(&pod.Spec.InitContainers[i]) {
			look(&pod.Spec.InitContainers[i])
		}
	}
	for i := range pod.Spec.Containers {
		look(&pod.Spec.Containers[i])
	}
	switch {
	case phase == v1.PodSucceeded && len(unknown) == 0:
		return condition(v1.ContainersReady, reasonPodCompleted, "")
	case phase == v1.PodFailed:
		return condition(v1.ContainersReady, reasonPodFailed, "")
	}
	if message := join(unknown, "containers with unready status: %s", unready); message != "" {
		return condition(v1.ContainersReady, reasonNotReady, message)
	}
	return condition(v1.ContainersReady, "", "")
}

func join(unknown []string, format string, rest []string) string {
	var parts []string
	if len(unknown) > 0 {
		parts = append(parts, fmt.Sprintf(unknownMessage, unknown))
	}
	if len(rest) > 0 {
		parts = append(parts, fmt.Sprintf(format, rest))
	}
	return strings.Join(parts, ", ")
}

// podReady is ContainersReady and every readiness gate, which others set (KEP-580).
func generatePodReadyCondition(pod *v1.Pod, all []v1.PodCondition, ready v1.PodCondition) v1.PodCondition {
	if ready.Status != conditionTrue {
		return condition(v1.PodReady, ready.Reason, ready.Message)
	}
	var closed []string
	for _, gate := range pod.Spec.ReadinessGates {
		switch c := findCondition(all, gate.ConditionType); {
		case c == nil:
			closed = append(closed, fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist.", gate.ConditionType))
		case c.Status != conditionTrue:
			closed = append(closed, fmt.Sprintf("the status of pod readiness gate %q is not \"True\", but %v", gate.ConditionType, c.Status))
		}
	}
	if len(closed) > 0 {
		return condition(v1.PodReady, reasonGatesNotReady, strings.Join(closed, ", "))
	}
	return condition(v1.PodReady, "", "")
}

func findCondition(list []v1.PodCondition, kind v1.PodConditionType) *v1.PodCondition {
	for i := range list {
		if list[i].Type == kind {
			return &list[i]
		}
	}
	return nil
}

// stamp gives the agent's conditions the generation they are about, and keeps the
// time of the last change of those whose status is what it was.
func stamp(pod *v1.Pod, list []v1.PodCondition, before []v1.PodCondition, now metav1.Time) {
	for i := range list {
		c := &list[i]
		if !owned[c.Type] {
			continue
		}
		c.ObservedGeneration = pod.Generation
		c.LastTransitionTime = now
		if old := findCondition(before, c.Type); old != nil && old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
	}
}
