package nodelifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"noriter.dev/noriter/cluster/trace"
)

// taintRule says which condition of a node makes which taint.
type taintRule struct {
	condition v1.NodeConditionType
	status    v1.ConditionStatus
	key       string
	evicts    bool // with the effect NoExecute too
}

// taintRules are all of them. The keys belong to this controller: such a taint that
// no rule asks for is taken away.
var taintRules = []taintRule{
	{v1.NodeReady, v1.ConditionFalse, v1.TaintNodeNotReady, true},
	{v1.NodeReady, v1.ConditionUnknown, v1.TaintNodeUnreachable, true},
	{v1.NodeMemoryPressure, v1.ConditionTrue, v1.TaintNodeMemoryPressure, false},
	{v1.NodeDiskPressure, v1.ConditionTrue, v1.TaintNodeDiskPressure, false},
	{v1.NodePIDPressure, v1.ConditionTrue, v1.TaintNodePIDPressure, false},
	{v1.NodeNetworkUnavailable, v1.ConditionTrue, v1.TaintNodeNetworkUnavailable, false},
}

// updateTaints gives a node the taints that its conditions ask for.
func (c *Controller) updateTaints(ctx context.Context, node *v1.Node) error {
	allowed, why, err := c.evictions()
	if err != nil {
		return err
	}
	wanted := c.wantedTaints(node, allowed)
	if sameTaints(node.Spec.Taints, wanted) {
		return nil
	}
	if allowed == allEvictions {
		why = "its conditions ask for it"
	}
	trace.Decide(ctx, trace.For(node), "taints become "+describe(wanted), why)
	// The version keeps a taint that someone adds at this moment from being lost.
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": node.ResourceVersion, "uid": node.UID},
		"spec":     map[string]any{"taints": wanted},
	})
	if err != nil {
		return fmt.Errorf("writing the patch of node %s: %w", node.Name, err)
	}
	updated, err := c.client.CoreV1().Nodes().Patch(ctx, node.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("tainting node %s: %w", node.Name, err)
	}
	updated.DeepCopyInto(node)
	return nil
}

// wantedTaints are the taints of others as they are, and ours as they should be.
func (c *Controller) wantedTaints(node *v1.Node, allowed evictions) []v1.Taint {
	asked := map[v1.Taint]bool{} // without times
	order := []v1.Taint{}
	ask := func(key string, effect v1.TaintEffect) {
		taint := v1.Taint{Key: key, Effect: effect}
		asked[taint] = true
		order = append(order, taint)
	}
	for _, rule := range taintRules {
		found := condition(node, rule.condition)
		if found == nil || found.Status != rule.status {
			continue
		}
		ask(rule.key, v1.TaintEffectNoSchedule)
		if rule.evicts && allowed == allEvictions {
			ask(rule.key, v1.TaintEffectNoExecute)
		}
	}
	if node.Spec.Unschedulable { // `kubectl cordon`
		ask(v1.TaintNodeUnschedulable, v1.TaintEffectNoSchedule)
	}

	var wanted []v1.Taint
	for _, taint := range node.Spec.Taints {
		plain := v1.Taint{Key: taint.Key, Effect: taint.Effect}
		stays := allowed == noNewEvictions && taint.Effect == v1.TaintEffectNoExecute
		if ours(node, taint) && !asked[plain] && !stays {
			continue
		}
		delete(asked, plain)
		wanted = append(wanted, taint) // with the time at which it was added
	}
	for _, taint := range order {
		if asked[taint] {
			now := metav1.NewTime(c.clock.Now())
			taint.TimeAdded = &now
			wanted = append(wanted, taint)
		}
	}
	return wanted
}

// ours is true for a taint that this controller adds and takes away.
func ours(node *v1.Node, taint v1.Taint) bool {
	if taint.Key == v1.TaintNodeUnschedulable {
		return taint.Effect == v1.TaintEffectNoSchedule
	}
	for _, rule := range taintRules {
		// A node that has never reported was tainted when it was made, and stays so.
		if rule.key == taint.Key && condition(node, rule.condition) != nil {
			return taint.Effect == v1.TaintEffectNoSchedule || rule.evicts && taint.Effect == v1.TaintEffectNoExecute
		}
	}
	return false
}

func sameTaints(a, b []v1.Taint) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Key != b[i].Key || a[i].Value != b[i].Value || a[i].Effect != b[i].Effect {
			return false
		}
	}
	return true
}

// evictions is how far pods may be evicted from lost nodes.
type evictions int

const (
	allEvictions   evictions = iota
	noNewEvictions           // nodes that were lost before stay tainted
	noEvictions              // nobody has to go
)

// evictions judges by how many nodes are lost. If many are at once, it is more likely
// that we are cut off than they, and moving their pods would only make things worse.
func (c *Controller) evictions() (evictions, string, error) {
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil {
		return allEvictions, "", fmt.Errorf("listing nodes: %w", err)
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
		return noEvictions, "nobody is evicted: no node is ready, so the trouble may be ours", nil
	case lost > 2 && float64(lost) >= 0.55*float64(total):
		return noNewEvictions, fmt.Sprintf("nobody else is evicted: %d of %d nodes are not ready, so the trouble may be ours", lost, total), nil
	}
	return allEvictions, "", nil
}

// excludeLabel takes a node out of that count.
const excludeLabel = "node.kubernetes.io/exclude-disruption"

func describe(taints []v1.Taint) string {
	if len(taints) == 0 {
		return "none"
	}
	parts := make([]string, len(taints))
	for i, t := range taints {
		parts[i] = t.Key + ":" + string(t.Effect)
	}
	return strings.Join(parts, ", ")
}
