package scheduler

import (
	v1 "k8s.io/api/core/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
)

var untoleratedTaint = unresolvable("node(s) had untolerated taint(s)")

// taintTolerationFilter keeps pods off nodes whose taints they don't tolerate. That is
// also how nodes that are not ready get no pods: the node lifecycle controller taints
// them. (Upstream's framework/plugins/tainttoleration/taint_toleration.go.)
func taintTolerationFilter(c *cycleState) filterFunc {
	return func(n *nodeInfo) *status {
		if hasUntoleratedTaint(c.pod, n.node) {
			return untoleratedTaint
		}
		return nil
	}
}

// hasUntoleratedTaint looks at the taints that keep new pods away. PreferNoSchedule is
// not among them: it only lowers the score.
func hasUntoleratedTaint(pod *v1.Pod, node *v1.Node) bool {
	_, found := corev1helpers.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, pod.Spec.Tolerations,
		func(t *v1.Taint) bool {
			return t.Effect == v1.TaintEffectNoSchedule || t.Effect == v1.TaintEffectNoExecute
		}, false)
	return found
}

// taintTolerationScore prefers nodes with fewer PreferNoSchedule taints that the pod
// does not tolerate.
func taintTolerationScore(c *cycleState, nodes []*nodeInfo) []float64 {
	untolerated := scoreEach(nodes, func(n *nodeInfo) float64 {
		count := 0.0
		for i := range n.node.Spec.Taints {
			taint := &n.node.Spec.Taints[i]
			if taint.Effect == v1.TaintEffectPreferNoSchedule &&
				!corev1helpers.TolerationsTolerateTaint(klog.Background(), c.pod.Spec.Tolerations, taint, false) {
				count++
			}
		}
		return count
	})
	return defaultNormalizeScore(untolerated, true)
}
