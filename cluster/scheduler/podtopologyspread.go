package scheduler

import (
	"math"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/utils/ptr"
)

var (
	spreadLabelMissing = unresolvable("node(s) didn't match pod topology spread constraints (missing required label)")
	spreadTooUneven    = unschedulable("node(s) didn't match pod topology spread constraints")
)

// topologySpreadConstraint is one of the pod's constraints, with the pods counted in
// each domain. A domain is the set of nodes that have the same value of the topology
// key: a zone, or a single node.
type topologySpreadConstraint struct {
	v1.TopologySpreadConstraint
	selector     labels.Selector
	selfMatchNum int            // 1 if the pod itself matches the selector
	matchNum     map[string]int // pods that match it, by value of the topology key
	minMatchNum  int            // of the domain with the fewest
}

// podTopologySpreadFilter keeps the domain with the most pods from having more than
// maxSkew more than the one with the fewest (KEP-895; upstream's
// framework/plugins/podtopologyspread/filtering.go).
func podTopologySpreadFilter(c *cycleState) filterFunc {
	constraints := newTopologySpreadConstraints(c, v1.DoNotSchedule)
	if len(constraints) == 0 {
		return nil
	}
	return func(n *nodeInfo) *status {
		for i := range constraints {
			k := &constraints[i]
			value, ok := n.node.Labels[k.TopologyKey]
			if !ok {
				return spreadLabelMissing
			}
			if skew := k.matchNum[value] + k.selfMatchNum - k.minMatchNum; skew > int(k.MaxSkew) {
				return spreadTooUneven
			}
		}
		return nil
	}
}

// newTopologySpreadConstraints are the pod's constraints with one whenUnsatisfiable:
// DoNotSchedule for the filter, ScheduleAnyway for the score.
func newTopologySpreadConstraints(c *cycleState, action v1.UnsatisfiableConstraintAction) []topologySpreadConstraint {
	var constraints []topologySpreadConstraint
	for _, constraint := range c.pod.Spec.TopologySpreadConstraints {
		selector, err := metav1.LabelSelectorAsSelector(constraint.LabelSelector)
		if constraint.WhenUnsatisfiable != action || err != nil { // the API server lets no wrong selector in
			continue
		}
		k := topologySpreadConstraint{TopologySpreadConstraint: constraint, selector: selector, matchNum: map[string]int{}}
		if selector.Matches(labels.Set(c.pod.Labels)) {
			k.selfMatchNum = 1
		}
		constraints = append(constraints, k)
	}
	if len(constraints) == 0 {
		return nil
	}
	affinity := nodeaffinity.GetRequiredNodeAffinity(c.pod)
	for i := range constraints {
		k := &constraints[i]
		for _, n := range c.nodes {
			if hasAllTopologyKeys(n.node, constraints) && k.matchNodeInclusionPolicies(c.pod, n.node, affinity) {
				// A domain without matching pods counts, too: as one with 0.
				k.matchNum[n.node.Labels[k.TopologyKey]] += k.countMatchingPods(c.pod.Namespace, n)
			}
		}
		k.setMinMatchNum()
	}
	return constraints
}

// hasAllTopologyKeys is false for a node that lacks the key of any constraint. Such a
// node belongs to no domain, not even to those of the other constraints.
func hasAllTopologyKeys(node *v1.Node, constraints []topologySpreadConstraint) bool {
	for i := range constraints {
		if _, ok := node.Labels[constraints[i].TopologyKey]; !ok {
			return false
		}
	}
	return true
}

// matchNodeInclusionPolicies is true if a node counts for the constraint (KEP-3094).
// By default it does if the pod's node affinity allows it, whatever its taints: a
// domain where the pod can't go must not hold the others down to its count.
func (k *topologySpreadConstraint) matchNodeInclusionPolicies(pod *v1.Pod, node *v1.Node, affinity nodeaffinity.RequiredNodeAffinity) bool {
	if ptr.Deref(k.NodeAffinityPolicy, v1.NodeInclusionPolicyHonor) == v1.NodeInclusionPolicyHonor {
		if matches, err := affinity.Match(node); err != nil || !matches {
			return false
		}
	}
	honorTaints := ptr.Deref(k.NodeTaintsPolicy, v1.NodeInclusionPolicyIgnore) == v1.NodeInclusionPolicyHonor
	return !honorTaints || !hasUntoleratedTaint(pod, node)
}

// countMatchingPods leaves out pods that are being deleted: during a rolling update the
// new pods would otherwise have to avoid the places of the old ones.
func (k *topologySpreadConstraint) countMatchingPods(namespace string, n *nodeInfo) int {
	count := 0
	for _, other := range n.pods {
		if other.pod.Namespace == namespace && other.pod.DeletionTimestamp == nil && k.selector.Matches(labels.Set(other.pod.Labels)) {
			count++
		}
	}
	return count
}

// setMinMatchNum finds the lowest count of all domains. While there are fewer domains
// than minDomains, it is 0: the missing ones have no pods (KEP-3022).
func (k *topologySpreadConstraint) setMinMatchNum() {
	k.minMatchNum = math.MaxInt
	for _, count := range k.matchNum {
		k.minMatchNum = min(k.minMatchNum, count)
	}
	if len(k.matchNum) < int(ptr.Deref(k.MinDomains, 1)) {
		k.minMatchNum = 0
	}
}

// podTopologySpreadScore prefers nodes in domains with few pods that match. It is
// simpler than upstream's, which gives each constraint a weight by its number of
// domains and its maxSkew (framework/plugins/podtopologyspread/scoring.go).
func podTopologySpreadScore(c *cycleState, nodes []*nodeInfo) []float64 {
	if len(c.pod.Spec.TopologySpreadConstraints) == 0 {
		return fewSiblingsScore(c, nodes)
	}
	constraints := newTopologySpreadConstraints(c, v1.ScheduleAnyway)
	return defaultNormalizeScore(scoreEach(nodes, func(n *nodeInfo) float64 {
		sum := 0.0
		for i := range constraints {
			k := &constraints[i]
			sum += float64(k.matchNum[n.node.Labels[k.TopologyKey]])
		}
		return sum
	}), true)
}

// fewSiblingsScore spreads pods without constraints of their own over the nodes: it
// prefers those with few pods of the same controller. It is why the replicas of a
// Deployment end up on different nodes though nobody asked for it. (Upstream has
// default constraints for this, systemDefaultConstraints: it also spreads over zones,
// and knows siblings by the selectors of Services and controllers.)
func fewSiblingsScore(c *cycleState, nodes []*nodeInfo) []float64 {
	owner := metav1.GetControllerOfNoCopy(c.pod)
	if owner == nil {
		return make([]float64, len(nodes))
	}
	return defaultNormalizeScore(scoreEach(nodes, func(n *nodeInfo) float64 {
		siblings := 0.0
		for _, other := range n.pods {
			ref := metav1.GetControllerOfNoCopy(other.pod)
			if ref != nil && ref.UID == owner.UID && other.pod.DeletionTimestamp == nil {
				siblings++
			}
		}
		return siblings
	}), true)
}
