package status

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/conditions"
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

// owned are the conditions that only the agent writes; all others are kept as found
// (PodConditionByKubelet in pkg/kubelet/types/pod_status.go).
var owned = map[v1.PodConditionType]bool{
	v1.PodReadyToStartContainers: true,
	v1.PodInitialized:            true,
	v1.PodReady:                  true,
	v1.ContainersReady:           true,
	v1.PodScheduled:              true,
}

// condition makes one that is true exactly if there is no reason.
func condition(kind v1.PodConditionType, reason, message string) v1.PodCondition {
	c := v1.PodCondition{Type: kind, Status: conditionTrue}
	if reason != "" {
		c.Status, c.Reason, c.Message = conditionFalse, reason, message
	}
	return c
}

// generateConditions are those of others, kept, and the agent's own in their usual order.
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

// generatePodReadyToStartContainersCondition says whether the pod has a sandbox with its
// network (KEP-3085). It separates "the node is not done" from "the image is not there".
func generatePodReadyToStartContainersCondition(pod *v1.Pod, have *runtime.Pod) v1.PodCondition {
	if change := podspec.PodSandboxChanged(pod, have); change.Changed {
		return condition(v1.PodReadyToStartContainers, reasonSandboxNotReady, change.Why)
	}
	return condition(v1.PodReadyToStartContainers, "", "")
}

// generatePodInitializedCondition is true once the init containers are done, and stays so,
// though their containers are removed some day and sidecars may fail later.
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
		if c := conditions.Pod(&pod.Status, v1.PodInitialized); c != nil && c.Status == conditionTrue {
			return condition(v1.PodInitialized, "", "")
		}
		return condition(v1.PodInitialized, reasonNotInitialized, message)
	}
	return condition(v1.PodInitialized, "", "")
}

// generateContainersReadyCondition is true if every main container and sidecar is ready.
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

// join names the containers that are not as they should be.
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

// generatePodReadyCondition is ContainersReady and every readiness gate, which others set
// (KEP-580). This is the condition that Services go by.
func generatePodReadyCondition(pod *v1.Pod, all []v1.PodCondition, ready v1.PodCondition) v1.PodCondition {
	if ready.Status != conditionTrue {
		return condition(v1.PodReady, ready.Reason, ready.Message)
	}
	var closed []string
	for _, gate := range pod.Spec.ReadinessGates {
		switch c := conditions.Pod(&v1.PodStatus{Conditions: all}, gate.ConditionType); {
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

// stampConditions gives the agent's conditions the generation they are about, and keeps
// the time of the last change of those whose status is what it was
// (updateLastTransitionTime in pkg/kubelet/status/status_manager.go).
func stampConditions(pod *v1.Pod, s, before *v1.PodStatus, now metav1.Time) {
	for i := range s.Conditions {
		c := &s.Conditions[i]
		if !owned[c.Type] {
			continue
		}
		c.ObservedGeneration = pod.Generation
		c.LastTransitionTime = now
		if old := conditions.Pod(before, c.Type); old != nil && old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
	}
}
