package scheduler

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// attractTerms are the pod's required affinity to other pods.
func attractTerms(pod *v1.Pod) []v1.PodAffinityTerm {
	if a := pod.Spec.Affinity; a != nil && a.PodAffinity != nil {
		return a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}

// repelTerms are the pod's required anti-affinity to other pods.
func repelTerms(pod *v1.Pod) []v1.PodAffinityTerm {
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		return a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}

// preferTerms are the pod's preferences, those against others with negative weight.
func preferTerms(pod *v1.Pod) []v1.WeightedPodAffinityTerm {
	a := pod.Spec.Affinity
	if a == nil {
		return nil
	}
	var terms []v1.WeightedPodAffinityTerm
	if a.PodAffinity != nil {
		terms = append(terms, a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution...)
	}
	if a.PodAntiAffinity != nil {
		for _, term := range a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
			term.Weight = -term.Weight
			terms = append(terms, term)
		}
	}
	return terms
}

// matchesTerm is true if other is one of the pods that owner's term speaks of.
func (c *cycle) matchesTerm(owner *v1.Pod, term *v1.PodAffinityTerm, other *v1.Pod) bool {
	if !c.inNamespaces(owner, term, other.Namespace) {
		return false
	}
	selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
	return err == nil && selector.Matches(labels.Set(other.Labels))
}

// inNamespaces: a term without namespaces means its owner's own.
func (c *cycle) inNamespaces(owner *v1.Pod, term *v1.PodAffinityTerm, namespace string) bool {
	if len(term.Namespaces) == 0 && term.NamespaceSelector == nil {
		return namespace == owner.Namespace
	}
	if slices.Contains(term.Namespaces, namespace) {
		return true
	}
	if term.NamespaceSelector == nil {
		return false
	}
	selector, err := metav1.LabelSelectorAsSelector(term.NamespaceSelector)
	return err == nil && selector.Matches(labels.Set(c.namespaces(namespace)))
}
