package podset

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// PatchStatus merges what is set in status into that of the pod, and leaves the rest to
// the pod's agent, which may write at the same time. With the UID in it, the patch does
// not hit another pod that has got the name.
func PatchStatus(ctx context.Context, client kubernetes.Interface, pod *v1.Pod, status v1.PodStatus) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
	if err != nil {
		return fmt.Errorf("writing the status of pod %s: %w", key(pod), err)
	}
	_, err = client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

// DisruptionTarget is the condition of a pod that the control plane is about to delete
// for a reason of its own (KEP-3329). It tells whoever looks at the pod while it ends, such as
// a Job, that the pod did not fail by itself.
func DisruptionTarget(pod *v1.Pod, reason, message string, now time.Time) v1.PodCondition {
	return v1.PodCondition{
		Type: v1.DisruptionTarget, Status: v1.ConditionTrue, Reason: reason, Message: message,
		ObservedGeneration: pod.Generation, LastTransitionTime: metav1.NewTime(now),
	}
}
