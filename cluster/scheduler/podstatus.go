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

const (
	bindTimeout   = 30 * time.Second
	statusTimeout = 10 * time.Second
)

// setUnschedulable writes the PodScheduled condition, unless it says the same
// already. A strategic merge patch changes that condition and no other.
func (s *Scheduler) setUnschedulable(ctx context.Context, pod *v1.Pod, reason, message string) error {
	condition := v1.PodCondition{
		Type: v1.PodScheduled, Status: v1.ConditionFalse, Reason: reason, Message: message,
		ObservedGeneration: pod.Generation, LastTransitionTime: metav1.Now(),
	}
	for _, old := range pod.Status.Conditions {
		if old.Type != v1.PodScheduled || old.Status != v1.ConditionFalse {
			continue
		}
		condition.LastTransitionTime = old.LastTransitionTime
		if old.Reason == reason && old.Message == message && old.ObservedGeneration == pod.Generation {
			return nil
		}
	}
	return s.patchPodStatus(ctx, pod, v1.PodStatus{Conditions: []v1.PodCondition{condition}})
}

// patchPodStatus merges a few fields into the pod's status. The UID keeps it from
// another pod of the same name.
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
