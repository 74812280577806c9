package nodelifecycle

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// disruption is how far pods may be evicted from lost nodes (upstream's ZoneState, for
// one zone).
type disruption int

const (
	// normal: lost nodes evict their pods.
	normal disruption = iota
	// partialDisruption: nodes that were lost before stay tainted, and no others evict.
	partialDisruption
	// fullDisruption: nobody has to go.
	fullDisruption
)

const (
	// unhealthyThreshold is from which part of the nodes on many count as lost: upstream's
	// default for --unhealthy-zone-threshold.
	unhealthyThreshold = 0.55
	// fewNodes are never many: of three nodes, two may be lost and their pods still move.
	// The number is upstream's, in ComputeZoneState.
	fewNodes = 2
	// excludeLabel takes a node out of that count: upstream's labelNodeDisruptionExclusion.
	excludeLabel = "node.kubernetes.io/exclude-disruption"
)

// disruption judges by how many nodes are lost (upstream's ComputeZoneState). If many are
// at once, it is more likely that we are cut off than they, and moving their pods would
// only make things worse.
func (c *Controller) disruption() (state disruption, why string, err error) {
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil {
		return normal, "", fmt.Errorf("listing nodes: %w", err)
	}
	lost, total := 0, 0
	for _, node := range nodes {
		if _, excluded := node.Labels[excludeLabel]; excluded {
			continue
		}
		total++
		// Silence counts before it is written down: nodes that are lost together are
		// found silent one after the other.
		ready := condition(node, v1.NodeReady)
		if ready == nil || ready.Status != v1.ConditionTrue || c.silentFor(node) >= c.config.GracePeriod {
			lost++
		}
	}
	switch {
	case total > 0 && lost == total:
		return fullDisruption, "nobody is evicted: no node is ready, so the trouble may be ours", nil
	case lost > fewNodes && float64(lost) >= unhealthyThreshold*float64(total):
		return partialDisruption, fmt.Sprintf("nobody else is evicted: %d of %d nodes are not ready, so the trouble may be ours", lost, total), nil
	}
	return normal, "", nil
}
