package nodelifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/cluster/controllers/podset"
	"noriter.dev/noriter/cluster/trace"
)

// syncNode looks at one node: is it silent, how is it tainted, do its pods count.
func (c *Controller) syncNode(ctx context.Context, name string) error {
	cached, err := c.nodes.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading node %s: %w", name, err)
	}
	node := cached.DeepCopy()

	left, err := c.checkSilence(ctx, node)
	if err != nil {
		return err
	}
	if err := c.updateTaints(ctx, node); err != nil {
		return err
	}
	if err := c.markPods(ctx, node); err != nil {
		return err
	}

	// Silence is no event, so come back when it has lasted too long. A node that is not
	// ready is looked at more often: whether its pods may be evicted depends on the others.
	if ready := condition(node, v1.NodeReady); ready != nil && ready.Status != v1.ConditionTrue {
		left = c.config.Period
	}
	c.health.AddAfter(node, left)
	return nil
}

// checkSilence makes the conditions of a node Unknown if it has been silent for too
// long. Else it returns how long it may still be.
func (c *Controller) checkSilence(ctx context.Context, node *v1.Node) (time.Duration, error) {
	grace := c.config.GracePeriod
	ready := condition(node, v1.NodeReady)
	if ready == nil {
		grace = startupGrace // it has never reported; give it time to start
	}
	silent := c.silentFor(node)
	if silent < grace {
		return grace - silent, nil
	}
	if ready != nil && ready.Status == v1.ConditionUnknown {
		return c.config.Period, nil // known already
	}
	// Our watch of leases may lag behind: ask the API server before calling a node lost.
	alive, err := c.renewedSince(ctx, node)
	if err != nil {
		return 0, err
	}
	if alive {
		c.heard(node.Name)
		return grace, nil
	}
	trace.Decide(ctx, trace.For(node), "conditions become Unknown", fmt.Sprintf("neither lease nor status was renewed for %v", silent.Round(time.Second)))
	for _, t := range []v1.NodeConditionType{v1.NodeReady, v1.NodeMemoryPressure, v1.NodeDiskPressure, v1.NodePIDPressure} {
		c.makeUnknown(node, t)
	}
	updated, err := c.client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
	if err != nil {
		return 0, fmt.Errorf("writing that node %s is silent: %w", node.Name, err)
	}
	updated.DeepCopyInto(node)
	return c.config.Period, nil
}

func (c *Controller) silentFor(node *v1.Node) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, known := c.heartbeats[node.Name]
	if !known { // we have just started; silence counts from now
		last = c.clock.Now()
		c.heartbeats[node.Name] = last
	}
	return c.clock.Since(last)
}

// renewedSince is true if the node's lease is newer than the one in our cache.
func (c *Controller) renewedSince(ctx context.Context, node *v1.Node) (bool, error) {
	live, err := c.client.CoordinationV1().Leases(v1.NamespaceNodeLease).Get(ctx, node.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the lease of node %s: %w", node.Name, err)
	}
	cached, err := c.leases.Leases(v1.NamespaceNodeLease).Get(node.Name)
	if err != nil {
		return true, nil // there is one, and we have not even seen it
	}
	return live.ResourceVersion != cached.ResourceVersion, nil
}

func (c *Controller) makeUnknown(node *v1.Node, conditionType v1.NodeConditionType) {
	now := metav1.NewTime(c.clock.Now())
	current := condition(node, conditionType)
	if current == nil {
		node.Status.Conditions = append(node.Status.Conditions, v1.NodeCondition{
			Type: conditionType, Status: v1.ConditionUnknown, Reason: "NodeStatusNeverUpdated", Message: "Kubelet never posted node status.",
			LastHeartbeatTime: node.CreationTimestamp, LastTransitionTime: now,
		})
		return
	}
	if current.Status != v1.ConditionUnknown {
		current.Status, current.Reason, current.Message = v1.ConditionUnknown, "NodeStatusUnknown", "Kubelet stopped posting node status."
		current.LastTransitionTime = now
	}
}

// markPods makes the pods of a node that is not ready not ready as well, so that
// Services leave them out. A silent node won't do it itself. One that reports and says
// that it is not ready is left to do so; it is only helped when it turns unready.
func (c *Controller) markPods(ctx context.Context, node *v1.Node) error {
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
			failures = append(failures, c.markPod(ctx, pod, node))
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

func (c *Controller) markPod(ctx context.Context, pod *v1.Pod, node *v1.Node) error {
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
