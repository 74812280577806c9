package scheduler

import (
	v1 "k8s.io/api/core/v1"
)

// domain is a part of the cluster: the nodes with one value of a label.
type domain struct{ key, value string }

// neighbourState counts, for the pod's affinity to other pods, who is where.
type neighbourState struct {
	attract, repel []v1.PodAffinityTerm

	attracting map[domain]int // pods that all attract terms match, for each term's key
	anywhere   bool           // such a pod exists at all
	repelled   map[domain]int // pods that one of the repel terms matches
	repelling  map[domain]int // pods whose own repel terms match our pod
}

func newNeighbourState(c *cycle) *neighbourState {
	s := &neighbourState{
		attract: attractTerms(c.pod), repel: repelTerms(c.pod),
		attracting: map[domain]int{}, repelled: map[domain]int{}, repelling: map[domain]int{},
	}
	for _, n := range c.nodes {
		// Most pods have no such wishes; then only the nodes with repelling pods count.
		if len(s.attract) == 0 && len(s.repel) == 0 && n.podsWithRequiredAntiAffinity == 0 {
			continue
		}
		for _, other := range n.pods {
			s.count(c, n.node, other.pod)
		}
	}
	return s
}

func (s *neighbourState) count(c *cycle, node *v1.Node, other *v1.Pod) {
	if len(s.attract) > 0 && c.matchesAll(s.attract, other) {
		s.anywhere = true
		for i := range s.attract {
			tally(s.attracting, node, s.attract[i].TopologyKey)
		}
	}
	for i := range s.repel {
		if c.matchesTerm(c.pod, &s.repel[i], other) {
			tally(s.repelled, node, s.repel[i].TopologyKey)
		}
	}
	theirs := repelTerms(other)
	for i := range theirs {
		if c.matchesTerm(other, &theirs[i], c.pod) {
			tally(s.repelling, node, theirs[i].TopologyKey)
		}
	}
}

func tally(counts map[domain]int, node *v1.Node, key string) {
	if value, ok := node.Labels[key]; ok {
		counts[domain{key, value}]++
	}
}

func (c *cycle) matchesAll(terms []v1.PodAffinityTerm, other *v1.Pod) bool {
	for i := range terms {
		if !c.matchesTerm(c.pod, &terms[i], other) {
			return false
		}
	}
	return true
}

// neighboursFit keeps pods near those they need and away from those they can't bear,
// and from those that can't bear them.
func neighboursFit(c *cycle, n *nodeInfo) []refusal {
	s := c.neighbours
	if !s.nearWanted(c, n) {
		return refuse("node(s) didn't match pod affinity rules", true)
	}
	for _, term := range s.repel {
		if value, ok := n.node.Labels[term.TopologyKey]; ok && s.repelled[domain{term.TopologyKey, value}] > 0 {
			return refuse("node(s) didn't match pod anti-affinity rules", false)
		}
	}
	for d := range s.repelling {
		if value, ok := n.node.Labels[d.key]; ok && value == d.value {
			return refuse("node(s) didn't satisfy existing pods anti-affinity rules", false)
		}
	}
	return nil
}

func (s *neighbourState) nearWanted(c *cycle, n *nodeInfo) bool {
	near := true
	for _, term := range s.attract {
		value, ok := n.node.Labels[term.TopologyKey]
		if !ok {
			return false
		}
		near = near && s.attracting[domain{term.TopologyKey, value}] > 0
	}
	// The first of pods that want to be near each other has nobody to be near to.
	return near || !s.anywhere && c.matchesAll(s.attract, c.pod)
}
