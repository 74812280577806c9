package daemonset

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/controllers/templatehash"
)

// nodeNameField is the field by which a pod is bound to go to one node.
const nodeNameField = "metadata.name"

// podTemplate is the DaemonSet's template for one node (upstream's CreatePodTemplate).
func podTemplate(ds *appsv1.DaemonSet, hash, node string) *v1.PodTemplateSpec {
	template := ds.Spec.Template.DeepCopy()
	template.Labels = templatehash.Label(template.Labels, appsv1.DefaultDaemonSetUniqueLabelKey, hash)
	// The API server counts changes of the template in this annotation. Before there were
	// revisions, pods were told apart by it, and they still carry it.
	if generation, ok := ds.Annotations[appsv1.DeprecatedTemplateGeneration]; ok {
		template.Labels["pod-template-generation"] = generation
	}
	for _, toleration := range daemonTolerations(&template.Spec) {
		at := slices.IndexFunc(template.Spec.Tolerations, func(t v1.Toleration) bool { return t.MatchToleration(&toleration) })
		if at >= 0 { // one of the same key and effect may end after some seconds; this one does not
			template.Spec.Tolerations[at] = toleration
			continue
		}
		template.Spec.Tolerations = append(template.Spec.Tolerations, toleration)
	}
	pinToNode(&template.Spec, node)
	return template
}

// pinToNode makes a pod go to one node only (upstream's
// ReplaceDaemonSetPodNodeNameNodeAffinity). spec.nodeName would do too, but it would go
// past the scheduler, which knows whether there is room. What else the affinity requires
// of nodes has been looked at in nodeShouldRunDaemonPod, and is replaced.
func pinToNode(spec *v1.PodSpec, node string) {
	if spec.Affinity == nil {
		spec.Affinity = &v1.Affinity{}
	}
	if spec.Affinity.NodeAffinity == nil {
		spec.Affinity.NodeAffinity = &v1.NodeAffinity{}
	}
	spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
		MatchFields: []v1.NodeSelectorRequirement{{Key: nodeNameField, Operator: v1.NodeSelectorOpIn, Values: []string{node}}}}}}
}

// targetNode is the node that a pod is on or can only go to (upstream's
// GetTargetNodeName). A pod that was adopted may have neither; then it is "".
func targetNode(pod *v1.Pod) string {
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
