package nodelifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// taintRules are all of them (upstream's nodeConditionToTaintKeyStatusMap). The keys
// belong to this controller: such a taint that no rule asks for is taken away.
//
// A node that is short of something keeps its pods; its agent evicts some of them
// itself, by what they use.
var taintRules = []taintRule{
	{v1.NodeReady, v1.ConditionFalse, v1.TaintNodeNotReady, true},
	{v1.NodeReady, v1.ConditionUnknown, v1.TaintNodeUnreachable, true},
	{v1.NodeMemoryPressure, v1.ConditionTrue, v1.TaintNodeMemoryPressure, false},
	{v1.NodeDiskPressure, v1.ConditionTrue, v1.TaintNodeDiskPressure, false},
	{v1.NodePIDPressure, v1.ConditionTrue, v1.TaintNodePIDPressure, false},
	{v1.NodeNetworkUnavailable, v1.ConditionTrue, v1.TaintNodeNetworkUnavailable, false},
}

// updateTaints gives a node the taints that its conditions ask for (upstream's
// doNoScheduleTaintingPass and doNoExecuteTaintingPass).
func (c *Controller) updateTaints(ctx context.Context, node *v1.Node) error {
	state, why, err := c.disruption()
	if err != nil {
		return err
	}
	wanted := c.wantedTaints(node, state)
	if sameTaints(node.Spec.Taints, wanted) {
		return nil
	}
	if state == normal {
		why = "its conditions ask for it"
	}
	trace.Decide(ctx, trace.For(node), "taints become "+describe(wanted), why)
	// The version keeps a taint that someone adds at this moment from being lost: the
	// patch replaces the whole list.
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
func (c *Controller) wantedTaints(node *v1.Node, state disruption) []v1.Taint {
	order := askedTaints(node, state)
	asked := map[v1.Taint]bool{}
	for _, taint := range order {
		asked[taint] = true
	}
	var wanted []v1.Taint
	for _, taint := range node.Spec.Taints {
		plain := v1.Taint{Key: taint.Key, Effect: taint.Effect}
		stays := state == partialDisruption && taint.Effect == v1.TaintEffectNoExecute
		if isOurs(node, taint) && !asked[plain] && !stays {
			continue
		}
		delete(asked, plain)
		wanted = append(wanted, taint) // with the time at which it was added
	}
	for _, taint := range order {
		if asked[taint] {
			// Evictions are timed by it, so it is never set again while the taint stays.
			now := metav1.NewTime(c.clock.Now())
			taint.TimeAdded = &now
			wanted = append(wanted, taint)
		}
	}
	return wanted
}

// askedTaints are the taints that the rules ask for, without times.
func askedTaints(node *v1.Node, state disruption) []v1.Taint {
	var asked []v1.Taint
	for _, rule := range taintRules {
		found := condition(node, rule.condition)
		if found == nil || found.Status != rule.status {
			continue
		}
		asked = append(asked, v1.Taint{Key: rule.key, Effect: v1.TaintEffectNoSchedule})
		if rule.evicts && state == normal {
			asked = append(asked, v1.Taint{Key: rule.key, Effect: v1.TaintEffectNoExecute})
		}
	}
	if node.Spec.Unschedulable { // `kubectl cordon`
		asked = append(asked, v1.Taint{Key: v1.TaintNodeUnschedulable, Effect: v1.TaintEffectNoSchedule})
	}
	return asked
}

// isOurs is true for a taint that this controller adds and takes away.
func isOurs(node *v1.Node, taint v1.Taint) bool {
	if taint.Key == v1.TaintNodeUnschedulable {
		return taint.Effect == v1.TaintEffectNoSchedule
	}
	for _, rule := range taintRules {
		// A node that has never reported was tainted when it was made, by the admission
		// plugin TaintNodesByCondition, and stays so.
		if rule.key == taint.Key && condition(node, rule.condition) != nil {
			return taint.Effect == v1.TaintEffectNoSchedule || rule.evicts && taint.Effect == v1.TaintEffectNoExecute
		}
	}
	return false
}

// sameTaints compares without the times.
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
