package scheduler

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// bindTimeout is how long a binding, or a preemption, may take (not upstream's). An API
// server that is only slow answers sooner; while it does not, the room on the node is
// kept for this pod.
const bindTimeout = 30 * time.Second

// bind writes the decision into the pod: the plugin DefaultBinder (upstream's
// framework/plugins/defaultbinder/default_binder.go). A pod's spec.nodeName can't be
// updated. It can be set only by creating this object, and only once, so that of two
// schedulers with the same pod one gets an error.
func (s *Scheduler) bind(ctx context.Context, pod *v1.Pod, node string) error {
	ctx, cancel := context.WithTimeout(ctx, bindTimeout)
	defer cancel()
	binding := &v1.Binding{
		// The UID keeps it from another pod that has got the same name since.
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     v1.ObjectReference{Kind: "Node", Name: node},
	}
	if err := s.client.CoreV1().Pods(pod.Namespace).Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("binding pod %s/%s to node %s: %w", pod.Namespace, pod.Name, node, err)
	}
	s.events.Eventf(pod, nil, v1.EventTypeNormal, "Scheduled", "Binding", "Successfully assigned %v/%v to %v", pod.Namespace, pod.Name, node)
	return nil
}
