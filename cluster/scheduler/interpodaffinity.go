package scheduler

import (
	"math"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

var (
	podAffinityMismatch          = unresolvable("node(s) didn't match pod affinity rules")
	podAntiAffinityMismatch      = unschedulable("node(s) didn't match pod anti-affinity rules")
	existingAntiAffinityMismatch = unschedulable("node(s) didn't satisfy existing pods anti-affinity rules")
)

// topologyPair is a label and one of its values. The nodes that have it are what an
// affinity term means by "near": one node, or a zone.
type topologyPair struct{ key, value string }

// interPodAffinityFilter keeps a pod near those it needs, away from those it must not
// meet, and away from those that must not meet it. (Upstream's
// framework/plugins/interpodaffinity/filtering.go.)
func interPodAffinityFilter(c *cycleState) filterFunc {
	s := newInterPodAffinityState(c)
	if len(s.affinityTerms) == 0 && len(s.antiAffinityTerms) == 0 && len(s.existingAntiAffinityCounts) == 0 {
		return nil
	}
	return func(n *nodeInfo) *status {
		switch {
		case !s.satisfiesAffinity(n):
			// Evicting pods does not help: it brings nobody to the node.
			return podAffinityMismatch
		case !s.satisfiesAntiAffinity(n):
			return podAntiAffinityMismatch
		case !s.satisfiesExistingAntiAffinity(n):
			return existingAntiAffinityMismatch
		}
		return nil
	}
}

// interPodAffinityState is what the filter counts once for all nodes (preFilterState
// upstream). Each count is a number of pods in the nodes of a topology pair.
type interPodAffinityState struct {
	cycle                            *cycleState
	affinityTerms, antiAffinityTerms []v1.PodAffinityTerm // of the pod itself, the required ones

	affinityCounts     map[topologyPair]int // pods that match all affinityTerms at once
	anyPodMatches      bool                 // there is such a pod, if only on a node without the label
	antiAffinityCounts map[topologyPair]int // pods that match one of antiAffinityTerms
	// existingAntiAffinityCounts are pods whose own anti-affinity is against our pod.
	// Anti-affinity works both ways, even if only one of the two pods asks for it.
	existingAntiAffinityCounts map[topologyPair]int
}

func newInterPodAffinityState(c *cycleState) *interPodAffinityState {
	s := &interPodAffinityState{
		cycle: c, affinityTerms: requiredAffinityTerms(c.pod), antiAffinityTerms: requiredAntiAffinityTerms(c.pod),
		affinityCounts: map[topologyPair]int{}, antiAffinityCounts: map[topologyPair]int{}, existingAntiAffinityCounts: map[topologyPair]int{},
	}
	for _, n := range c.nodes {
		// This plugin is the most expensive one, as it compares pods with pods. Most
		// pods have no such terms, and then few nodes are left to look at.
		if len(s.affinityTerms) == 0 && len(s.antiAffinityTerms) == 0 && n.podsWithRequiredAntiAffinity == 0 {
			continue
		}
		for _, existing := range n.pods {
			s.countExisting(n.node, existing.pod)
		}
	}
	return s
}

func (s *interPodAffinityState) countExisting(node *v1.Node, existing *v1.Pod) {
	if len(s.affinityTerms) > 0 && s.cycle.matchesAllTerms(s.affinityTerms, existing) {
		s.anyPodMatches = true
		for i := range s.affinityTerms {
			countPair(s.affinityCounts, node, s.affinityTerms[i].TopologyKey)
		}
	}
	for i := range s.antiAffinityTerms {
		if s.cycle.matchesTerm(s.cycle.pod, &s.antiAffinityTerms[i], existing) {
			countPair(s.antiAffinityCounts, node, s.antiAffinityTerms[i].TopologyKey)
		}
	}
	theirs := requiredAntiAffinityTerms(existing)
	for i := range theirs {
		if s.cycle.matchesTerm(existing, &theirs[i], s.cycle.pod) {
			countPair(s.existingAntiAffinityCounts, node, theirs[i].TopologyKey)
		}
	}
}

func countPair(counts map[topologyPair]int, node *v1.Node, key string) {
	if value, ok := node.Labels[key]; ok {
		counts[topologyPair{key, value}]++
	}
}

func (s *interPodAffinityState) satisfiesAffinity(n *nodeInfo) bool {
	near := true
	for i := range s.affinityTerms {
		key := s.affinityTerms[i].TopologyKey
		value, ok := n.node.Labels[key]
		if !ok {
			return false
		}
		near = near && s.affinityCounts[topologyPair{key, value}] > 0
	}
	// The first of several pods that must be near each other has nobody to be near to.
	// It may go anywhere, or none of them is ever placed.
	return near || !s.anyPodMatches && s.cycle.matchesAllTerms(s.affinityTerms, s.cycle.pod)
}

func (s *interPodAffinityState) satisfiesAntiAffinity(n *nodeInfo) bool {
	for i := range s.antiAffinityTerms {
		key := s.antiAffinityTerms[i].TopologyKey
		if value, ok := n.node.Labels[key]; ok && s.antiAffinityCounts[topologyPair{key, value}] > 0 {
			return false
		}
	}
	return true
}

func (s *interPodAffinityState) satisfiesExistingAntiAffinity(n *nodeInfo) bool {
	for pair := range s.existingAntiAffinityCounts {
		if value, ok := n.node.Labels[pair.key]; ok && value == pair.value {
			return false
		}
	}
	return true
}

// interPodAffinityScore prefers nodes near pods that the pod would like to be near, or
// that would like to be near it, and away from those that either would like to avoid.
// (Upstream's framework/plugins/interpodaffinity/scoring.go. It also counts required
// affinity of the pods that are there, as if it were preferred with weight 1.)
func interPodAffinityScore(c *cycleState, nodes []*nodeInfo) []float64 {
	ours := preferredTerms(c.pod)
	weights := map[topologyPair]float64{}
	for _, n := range c.nodes {
		if len(ours) == 0 && n.podsWithPreferredAffinity == 0 {
			continue
		}
		for _, existing := range n.pods {
			c.addWeights(weights, n.node, c.pod, ours, existing.pod)
			c.addWeights(weights, n.node, existing.pod, preferredTerms(existing.pod), c.pod)
		}
	}
	if len(weights) == 0 {
		return make([]float64, len(nodes))
	}
	return normalizeBetweenExtremes(scoreEach(nodes, func(n *nodeInfo) float64 {
		sum := 0.0
		for pair, weight := range weights {
			if n.node.Labels[pair.key] == pair.value {
				sum += weight
			}
		}
		return sum
	}))
}

// addWeights adds the weights of those of owner's terms that other matches.
func (c *cycleState) addWeights(weights map[topologyPair]float64, node *v1.Node, owner *v1.Pod, terms []v1.WeightedPodAffinityTerm, other *v1.Pod) {
	for i := range terms {
		term := &terms[i].PodAffinityTerm
		if value, ok := node.Labels[term.TopologyKey]; ok && c.matchesTerm(owner, term, other) {
			weights[topologyPair{term.TopologyKey, value}] += float64(terms[i].Weight)
		}
	}
}

// normalizeBetweenExtremes gives the lowest 0 and the highest maxNodeScore. Unlike
// defaultNormalizeScore it can do with negative sums, which anti-affinity makes.
func normalizeBetweenExtremes(scores []float64) []float64 {
	lowest, highest := math.Inf(1), math.Inf(-1)
	for _, score := range scores {
		lowest, highest = min(lowest, score), max(highest, score)
	}
	for i, score := range scores {
		scores[i] = 0
		if highest > lowest {
			scores[i] = maxNodeScore * (score - lowest) / (highest - lowest)
		}
	}
	return scores
}

func requiredAffinityTerms(pod *v1.Pod) []v1.PodAffinityTerm {
	if a := pod.Spec.Affinity; a != nil && a.PodAffinity != nil {
		return a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}

func requiredAntiAffinityTerms(pod *v1.Pod) []v1.PodAffinityTerm {
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		return a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}

// preferredTerms are the pod's preferred affinity, and its preferred anti-affinity with
// negative weights.
func preferredTerms(pod *v1.Pod) []v1.WeightedPodAffinityTerm {
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

// matchesAllTerms is true if other matches all terms of the pod of this cycle. A pod
// that matches some of them, and a second one that matches the rest, are not enough.
func (c *cycleState) matchesAllTerms(terms []v1.PodAffinityTerm, other *v1.Pod) bool {
	for i := range terms {
		if !c.matchesTerm(c.pod, &terms[i], other) {
			return false
		}
	}
	return true
}

// matchesTerm is true if other is one of the pods that owner's term selects.
func (c *cycleState) matchesTerm(owner *v1.Pod, term *v1.PodAffinityTerm, other *v1.Pod) bool {
	if !c.matchesNamespace(owner, term, other.Namespace) {
		return false
	}
	selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
	return err == nil && selector.Matches(labels.Set(other.Labels))
}

// matchesNamespace is true if the term selects pods of a namespace: of those it lists,
// and of those whose labels it selects. Without either, it means its owner's own.
func (c *cycleState) matchesNamespace(owner *v1.Pod, term *v1.PodAffinityTerm, namespace string) bool {
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
	return err == nil && selector.Matches(labels.Set(c.namespaceLabels(namespace)))
}
