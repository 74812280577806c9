package scheduler

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// statusTimeout is how long one write of a pod's status may take (not upstream's). For
// a pod without a node the scheduling loop itself waits for it.
const statusTimeout = 10 * time.Second

// patchPodScheduledCondition writes the PodScheduled condition: what kubectl describe shows as
// the reason for a pending pod. It writes nothing if the condition says the same
// already, so a pod that is tried often does not keep the API server busy.
func (s *Scheduler) patchPodScheduledCondition(ctx context.Context, pod *v1.Pod, reason, message string) error {
	condition := v1.PodCondition{
		Type: v1.PodScheduled, Status: v1.ConditionFalse, Reason: reason, Message: message,
		ObservedGeneration: pod.Generation, LastTransitionTime: metav1.Now(),
	}
	for _, old := range pod.Status.Conditions {
		if old.Type != v1.PodScheduled || old.Status != v1.ConditionFalse {
			continue
		}
		// By the API's convention a transition is a change of the status, not of the
		// reason or the message.
		condition.LastTransitionTime = old.LastTransitionTime
		if old.Reason == reason && old.Message == message && old.ObservedGeneration == pod.Generation {
			return nil
		}
	}
	return s.patchPodStatus(ctx, pod, v1.PodStatus{Conditions: []v1.PodCondition{condition}})
}

// patchPodStatus merges a few fields into the pod's status. The patch is a strategic
// merge, which changes the conditions of the same type and leaves those of the agent
// alone. The UID in it makes the API server reject it for another pod of the same name.
// (PatchPodStatus in upstream's pkg/scheduler/util/utils.go.)
func (s *Scheduler) patchPodStatus(ctx context.Context, pod *v1.Pod, status v1.PodStatus) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID},
		"status":   status,
	})
	if err != nil {
		return fmt.Errorf("writing the status of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	_, err = s.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}
