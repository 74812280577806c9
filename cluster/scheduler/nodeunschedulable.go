package scheduler

import (
	v1 "k8s.io/api/core/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
)

var nodeUnschedulable = unresolvable("node(s) were unschedulable")

// nodeUnschedulableFilter keeps pods off nodes that kubectl cordon has marked.
// (Upstream's framework/plugins/nodeunschedulable/node_unschedulable.go.)
func nodeUnschedulableFilter(c *cycleState) filterFunc {
	// A cordoned node gets this taint as well, but not at once. The mark is treated
	// like the taint, so that who tolerates the one tolerates the other: the pods of a
	// DaemonSet do.
	taint := v1.Taint{Key: v1.TaintNodeUnschedulable, Effect: v1.TaintEffectNoSchedule}
	if corev1helpers.TolerationsTolerateTaint(klog.Background(), c.pod.Spec.Tolerations, &taint, false) {
		return nil
	}
	return func(n *nodeInfo) *status {
		if n.node.Spec.Unschedulable {
			return nodeUnschedulable
		}
		return nil
	}
}
