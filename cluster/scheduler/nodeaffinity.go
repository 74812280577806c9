package scheduler

import (
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

var nodeAffinityMismatch = unresolvable("node(s) didn't match Pod's node affinity/selector")

// nodeAffinityFilter keeps a pod to the nodes that its nodeSelector and its required
// node affinity describe. (Upstream's framework/plugins/nodeaffinity/node_affinity.go.)
func nodeAffinityFilter(c *cycleState) filterFunc {
	if c.pod.Spec.NodeSelector == nil && requiredNodeSelector(c.pod) == nil {
		return nil
	}
	affinity := nodeaffinity.GetRequiredNodeAffinity(c.pod)
	return func(n *nodeInfo) *status {
		// An error means that the affinity can't be understood. The API server
		// accepts none of that kind; if there is one, it matches no node.
		if matches, err := affinity.Match(n.node); err == nil && matches {
			return nil
		}
		return nodeAffinityMismatch
	}
}

// requiredNodeSelector is the pod's required node affinity, or nil.
func requiredNodeSelector(pod *v1.Pod) *v1.NodeSelector {
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil {
		return a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}

// nodeAffinityNames are the nodes that the pod's affinity names, or nil if it names
// none. The pods of a DaemonSet name one each: to look at thousands of others for each
// of thousands of pods would be a waste. (PreFilterResult.NodeNames upstream.)
func nodeAffinityNames(pod *v1.Pod) map[string]bool {
	required := requiredNodeSelector(pod)
	if required == nil || len(required.NodeSelectorTerms) == 0 {
		return nil
	}
	names := map[string]bool{}
	for _, term := range required.NodeSelectorTerms {
		named := false
		for _, field := range term.MatchFields {
			if field.Key == metav1.ObjectNameField && field.Operator == v1.NodeSelectorOpIn {
				named = true
				for _, value := range field.Values {
					names[value] = true
				}
			}
		}
		// One matching term is enough. So a single term without names lets all nodes
		// in that match the rest of it.
		if !named {
			return nil
		}
	}
	return names
}

// nodeAffinityScore prefers nodes that the pod's preferred node affinity describes.
// Each term that matches counts with its own weight, which the user chose.
func nodeAffinityScore(c *cycleState, nodes []*nodeInfo) []float64 {
	a := c.pod.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || len(a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution) == 0 {
		return make([]float64, len(nodes))
	}
	terms, err := nodeaffinity.NewPreferredSchedulingTerms(a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	if err != nil {
		return make([]float64, len(nodes)) // a preference must not keep a pod from running
	}
	return defaultNormalizeScore(scoreEach(nodes, func(n *nodeInfo) float64 { return float64(terms.Score(n.node)) }), false)
}
