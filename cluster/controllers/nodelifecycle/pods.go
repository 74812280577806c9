package nodelifecycle

import (
	"context"
	"errors"
	"fmt"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/cluster/controllers/podset"
	"noriter.dev/noriter/cluster/trace"
)

// markPodsNotReady makes the pods of a node that is not ready not ready as well, so that
// Services leave them out (upstream's MarkPodsNotReady, in pkg/controller/util/node). A
// silent node won't do it itself. One that reports and says that it is not ready is left
// to do so; it is only helped when it turns unready.
func (c *Controller) markPodsNotReady(ctx context.Context, node *v1.Node) error {
	ready := condition(node, v1.NodeReady)
	if ready == nil {
		return nil
	}
	c.mu.Lock()
	before := c.lastReady[node.Name]
	c.mu.Unlock()

	turned := before == v1.ConditionTrue && ready.Status != v1.ConditionTrue
	if turned {
		c.events.Eventf(nodeReference(node), v1.EventTypeNormal, "NodeNotReady", "Node %s status is now: NodeNotReady", node.Name)
	}
	if turned || ready.Status == v1.ConditionUnknown {
		pods, err := podset.OnNode(c.pods, node.Name)
		if err != nil {
			return err
		}
		var failures []error
		for _, pod := range pods {
			failures = append(failures, c.markPodNotReady(ctx, pod, node))
		}
		if err := errors.Join(failures...); err != nil {
			return err // lastReady stays, so that the next look does it again
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastReady[node.Name] = ready.Status
	return nil
}

// markPodNotReady changes the condition Ready alone. Whether the containers run is not
// known, and nothing is said about it.
func (c *Controller) markPodNotReady(ctx context.Context, pod *v1.Pod, node *v1.Node) error {
	if !podset.IsReady(pod) {
		return nil
	}
	trace.Decide(ctx, trace.For(pod), "no longer ready", "node "+node.Name+" is not")
	pod = pod.DeepCopy()
	ready := podset.Condition(pod, v1.PodReady)
	ready.Status, ready.LastTransitionTime = v1.ConditionFalse, metav1.NewTime(c.clock.Now())
	_, err := c.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("marking pod %s/%s not ready: %w", pod.Namespace, pod.Name, err)
	}
	c.events.Event(pod, v1.EventTypeWarning, "NodeNotReady", "Node is not ready")
	return nil
}
