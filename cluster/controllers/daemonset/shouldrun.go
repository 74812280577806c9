package daemonset

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// nodeShouldRunDaemonPod says whether a pod should run on a node, and whether one that is
// there may stay (upstream's function of the same name, and its predicates). The
// scheduler's filters decide the same later; here it is decided on which nodes a pod is
// missed. Room does not count: a pod that finds none waits, and its node stays counted as
// one that lacks its pod.
func nodeShouldRunDaemonPod(ds *appsv1.DaemonSet, node *v1.Node) (shouldRun, mayStay bool, why string) {
	spec := &ds.Spec.Template.Spec
	if spec.NodeName != "" && spec.NodeName != node.Name {
		return false, false, "the template names node " + spec.NodeName
	}
	matches, err := nodeaffinity.NewRequiredNodeAffinity(spec.NodeSelector, spec.Affinity).Match(node)
	if err != nil || !matches {
		return false, false, "its labels don't match the node selector or affinity"
	}
	// The two effects differ for a pod that is there already: NoExecute evicts it,
	// NoSchedule only keeps new ones away. PreferNoSchedule is a wish, for the scheduler.
	tolerations := slices.Concat(spec.Tolerations, daemonTolerations(spec))
	untolerated := func(effect v1.TaintEffect) bool {
		_, found := corev1helpers.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, tolerations,
			func(t *v1.Taint) bool { return t.Effect == effect }, false)
		return found
	}
	switch {
	case untolerated(v1.TaintEffectNoExecute):
		return false, false, "it has a taint that evicts"
	case untolerated(v1.TaintEffectNoSchedule):
		return false, true, "it has a taint that keeps new pods away"
	}
	return true, true, ""
}

// daemonTolerations are those that every pod of a DaemonSet gets (upstream's
// AddOrUpdateDaemonPodTolerations): it stays when its node is in trouble, since that is
// where it is needed, and it starts on a node that is cordoned or short of something.
func daemonTolerations(spec *v1.PodSpec) []v1.Toleration {
	tolerate := func(effect v1.TaintEffect, keys ...string) []v1.Toleration {
		var out []v1.Toleration
		for _, key := range keys {
			out = append(out, v1.Toleration{Key: key, Operator: v1.TolerationOpExists, Effect: effect})
		}
		return out
	}
	all := tolerate(v1.TaintEffectNoExecute, v1.TaintNodeNotReady, v1.TaintNodeUnreachable)
	all = append(all, tolerate(v1.TaintEffectNoSchedule, v1.TaintNodeDiskPressure, v1.TaintNodeMemoryPressure, v1.TaintNodePIDPressure, v1.TaintNodeUnschedulable)...)
	if spec.HostNetwork { // it needs no pod network, and may be what sets it up
		all = append(all, tolerate(v1.TaintEffectNoSchedule, v1.TaintNodeNetworkUnavailable)...)
	}
	return all
}
