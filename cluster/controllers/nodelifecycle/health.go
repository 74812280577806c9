package nodelifecycle

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/cluster/trace"
)

// updateNodeHealth makes the conditions of a node Unknown if it has been silent for too
// long (upstream's tryUpdateNodeHealth). Else it returns how long it may still be.
func (c *Controller) updateNodeHealth(ctx context.Context, node *v1.Node) (time.Duration, error) {
	grace := c.config.GracePeriod
	ready := condition(node, v1.NodeReady)
	if ready == nil {
		grace = c.config.StartupGracePeriod // it has never reported; give it time to start
	}
	silent := c.silentFor(node)
	if silent < grace {
		return grace - silent, nil
	}
	if ready != nil && ready.Status == v1.ConditionUnknown {
		return c.config.Period, nil // known already
	}
	// Our watch of leases may lag behind: ask the API server before calling a node lost.
	alive, err := c.isLeaseRenewed(ctx, node)
	if err != nil {
		return 0, err
	}
	if alive {
		c.heard(node.Name)
		return grace, nil
	}
	trace.Decide(ctx, trace.For(node), "conditions become Unknown", fmt.Sprintf("neither lease nor status was renewed for %v", silent.Round(time.Second)))
	// Those that the agent reports. NetworkUnavailable is somebody else's.
	// None is True or False any more: nothing is known about the node.
	for _, t := range []v1.NodeConditionType{v1.NodeReady, v1.NodeMemoryPressure, v1.NodeDiskPressure, v1.NodePIDPressure} {
		c.markUnknown(node, t)
	}
	updated, err := c.client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
	if err != nil {
		return 0, fmt.Errorf("writing that node %s is silent: %w", node.Name, err)
	}
	updated.DeepCopyInto(node) // the taints are decided by what was written, in the same sync
	return c.config.Period, nil
}

// silentFor is for how long nothing was heard of a node.
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

// isLeaseRenewed is true if the node's lease on the API server is newer than the one in
// our cache. Versions are compared and not times: no clock but ours is trusted.
func (c *Controller) isLeaseRenewed(ctx context.Context, node *v1.Node) (bool, error) {
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

// markUnknown sets one condition, in upstream's words. "Kubelet" is the agent.
func (c *Controller) markUnknown(node *v1.Node, conditionType v1.NodeConditionType) {
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
