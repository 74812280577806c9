package scheduler

import (
	"math"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
)

// spreadState counts the pods in each domain for the pod's topology constraints.
type spreadState struct {
	hard []spreadCount // DoNotSchedule: a filter
	soft []spreadCount // ScheduleAnyway: a score
}

type spreadCount struct {
	v1.TopologySpreadConstraint
	selector labels.Selector
	self     int            // 1 if the pod itself will count
	counts   map[string]int // by value of the topology key
	fewest   int
}

func newSpreadState(c *cycle) *spreadState {
	s := &spreadState{}
	for _, constraint := range c.pod.Spec.TopologySpreadConstraints {
		selector, err := metav1.LabelSelectorAsSelector(constraint.LabelSelector)
		if err != nil {
			continue // the API server has validated it
		}
		count := spreadCount{TopologySpreadConstraint: constraint, selector: selector, counts: map[string]int{}}
		if selector.Matches(labels.Set(c.pod.Labels)) {
			count.self = 1
		}
		if constraint.WhenUnsatisfiable == v1.DoNotSchedule {
			s.hard = append(s.hard, count)
		} else {
			s.soft = append(s.soft, count)
		}
	}
	s.countAll(c, s.hard)
	s.countAll(c, s.soft)
	return s
}

func (s *spreadState) countAll(c *cycle, constraints []spreadCount) {
	for i := range constraints {
		k := &constraints[i]
		for _, n := range c.nodes {
			// A node that lacks one of the keys is in no domain of any constraint.
			if !hasAllKeys(n.node, constraints) || !k.includes(c, n.node) {
				continue
			}
			value := n.node.Labels[k.TopologyKey]
			k.counts[value] += k.on(c, n)
		}
		k.fewest = math.MaxInt
		for _, count := range k.counts {
			k.fewest = min(k.fewest, count)
		}
		if len(k.counts) < int(ptr.Deref(k.MinDomains, 1)) {
			k.fewest = 0 // a domain that does not exist yet has none
		}
	}
}

// on is how many pods of the constraint are on a node.
func (k *spreadCount) on(c *cycle, n *nodeInfo) int {
	count := 0
	for _, other := range n.pods {
		if other.pod.Namespace == c.pod.Namespace && other.pod.DeletionTimestamp == nil && k.selector.Matches(labels.Set(other.pod.Labels)) {
			count++
		}
	}
	return count
}

func hasAllKeys(node *v1.Node, constraints []spreadCount) bool {
	for _, k := range constraints {
		if _, ok := node.Labels[k.TopologyKey]; !ok {
			return false
		}
	}
	return true
}

// includes is true if a node counts for the constraint: by default, if the pod's
// node affinity allows it, whatever its taints.
func (k *spreadCount) includes(c *cycle, node *v1.Node) bool {
	if ptr.Deref(k.NodeAffinityPolicy, v1.NodeInclusionPolicyHonor) == v1.NodeInclusionPolicyHonor {
		if matches, err := c.affinity.Match(node); err != nil || !matches {
			return false
		}
	}
	if ptr.Deref(k.NodeTaintsPolicy, v1.NodeInclusionPolicyIgnore) == v1.NodeInclusionPolicyHonor {
		_, untolerated := corev1helpers.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, c.pod.Spec.Tolerations,
			func(t *v1.Taint) bool { return t.Effect != v1.TaintEffectPreferNoSchedule }, false)
		return !untolerated
	}
	return true
}

// evenlySpread keeps the domain with the most pods from having maxSkew more than
// the one with the fewest.
func evenlySpread(c *cycle, n *nodeInfo) []refusal {
	for i := range c.spread.hard {
		k := &c.spread.hard[i]
		value, ok := n.node.Labels[k.TopologyKey]
		if !ok {
			return refuse("node(s) didn't match pod topology spread constraints (missing required label)", true)
		}
		if k.counts[value]+k.self-k.fewest > int(k.MaxSkew) {
			return refuse("node(s) didn't match pod topology spread constraints", false)
		}
	}
	return nil
}
