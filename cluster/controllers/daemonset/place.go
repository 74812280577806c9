package daemonset

import (
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// nodeNameField is the field by which a pod is bound to go to one node.
const nodeNameField = "metadata.name"

// fits says whether a pod should run on a node, and whether one that is there may
// stay. The scheduler's filters decide the same later; here it is decided on which
// nodes a pod is missed. Room does not count: a pod that has none waits.
func fits(ds *appsv1.DaemonSet, node *v1.Node) (shouldRun, mayStay bool, why string) {
	spec := &ds.Spec.Template.Spec
	if spec.NodeName != "" && spec.NodeName != node.Name {
		return false, false, "the template names node " + spec.NodeName
	}
	matches, err := nodeaffinity.NewRequiredNodeAffinity(spec.NodeSelector, spec.Affinity).Match(node)
	if err != nil || !matches {
		return false, false, "its labels don't match the node selector or affinity"
	}
	tolerations := slices.Concat(spec.Tolerations, tolerationsFor(spec))
	untolerated := func(effects ...v1.TaintEffect) bool {
		_, found := corev1helpers.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, tolerations,
			func(t *v1.Taint) bool { return slices.Contains(effects, t.Effect) }, false)
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

// tolerationsFor are those that every pod of a DaemonSet gets: it stays when its node
// is in trouble, since that is where it is needed, and it starts on a node that is
// cordoned or short of something.
func tolerationsFor(spec *v1.PodSpec) []v1.Toleration {
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

// podTemplate is the DaemonSet's template for one node.
func podTemplate(ds *appsv1.DaemonSet, hash, node string) *v1.PodTemplateSpec {
	template := ds.Spec.Template.DeepCopy()
	template.Labels = maps.Clone(template.Labels)
	if template.Labels == nil {
		template.Labels = map[string]string{}
	}
	template.Labels[appsv1.DefaultDaemonSetUniqueLabelKey] = hash
	if generation, ok := ds.Annotations[appsv1.DeprecatedTemplateGeneration]; ok {
		template.Labels["pod-template-generation"] = generation
	}
	for _, toleration := range tolerationsFor(&template.Spec) {
		at := slices.IndexFunc(template.Spec.Tolerations, func(t v1.Toleration) bool { return t.MatchToleration(&toleration) })
		if at >= 0 {
			template.Spec.Tolerations[at] = toleration
			continue
		}
		template.Spec.Tolerations = append(template.Spec.Tolerations, toleration)
	}
	pin(&template.Spec, node)
	return template
}

// pin makes a pod go to one node only. What else its affinity says about nodes has
// been looked at, and is replaced.
func pin(spec *v1.PodSpec, node string) {
	if spec.Affinity == nil {
		spec.Affinity = &v1.Affinity{}
	}
	if spec.Affinity.NodeAffinity == nil {
		spec.Affinity.NodeAffinity = &v1.NodeAffinity{}
	}
	spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
		MatchFields: []v1.NodeSelectorRequirement{{Key: nodeNameField, Operator: v1.NodeSelectorOpIn, Values: []string{node}}}}}}
}

// nodeOf is the node that a pod is on or can only go to.
func nodeOf(pod *v1.Pod) string {
	if pod.Spec.NodeName != "" {
		return pod.Spec.NodeName
	}
	a := pod.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return ""
	}
	for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, field := range term.MatchFields {
			if field.Key == nodeNameField && field.Operator == v1.NodeSelectorOpIn && len(field.Values) == 1 {
				return field.Values[0]
			}
		}
	}
	return ""
}
