package scheduler

import (
	"math"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// maxScore is the best that a node can get from one scorer, before its weight.
const maxScore = 100

// scorer compares the nodes that passed the filters. Its points are 0 to maxScore.
type scorer struct {
	name   string
	weight float64
	points func(c *cycle, nodes []*nodeInfo) []float64
}

// scorers and their weights are upstream's defaults. Those that concern the pod's
// own wishes weigh more than those about the use of the nodes.
var scorers = []scorer{
	{"TaintToleration", 3, fewTaints},
	{"NodeAffinity", 2, preferredNodes},
	{"PodTopologySpread", 2, fewSiblings},
	{"InterPodAffinity", 2, preferredNeighbours},
	{"NodeResourcesFit", 1, leastAllocated},
	{"NodeResourcesBalancedAllocation", 1, balanced},
	{"ImageLocality", 1, imagesThere},
}

// score gives each node the weighted sum of its points.
func score(c *cycle, nodes []*nodeInfo) []float64 {
	totals := make([]float64, len(nodes))
	for _, s := range scorers {
		for i, points := range s.points(c, nodes) {
			totals[i] += s.weight * points
		}
	}
	return totals
}

func each(nodes []*nodeInfo, points func(n *nodeInfo) float64) []float64 {
	out := make([]float64, len(nodes))
	for i, n := range nodes {
		out[i] = points(n)
	}
	return out
}

// scaled stretches points so that the highest is maxScore; reversed, so that those
// with the highest get 0 and those with none get maxScore.
func scaled(points []float64, reversed bool) []float64 {
	highest := 0.0
	for _, p := range points {
		highest = max(highest, p)
	}
	for i, p := range points {
		if highest > 0 {
			points[i] = maxScore * p / highest
		}
		if reversed {
			points[i] = maxScore - points[i]
		}
	}
	return points
}

// leastAllocated prefers nodes with much left, of CPU and memory alike.
func leastAllocated(c *cycle, nodes []*nodeInfo) []float64 {
	left := func(used, has int64) float64 {
		if has == 0 || used > has {
			return 0
		}
		return maxScore * float64(has-used) / float64(has)
	}
	return each(nodes, func(n *nodeInfo) float64 {
		return (left(n.nonZeroRequested.milliCPU+c.self.nonZeroRequests.milliCPU, n.allocatable.milliCPU) +
			left(n.nonZeroRequested.memory+c.self.nonZeroRequests.memory, n.allocatable.memory)) / 2
	})
}

// balanced prefers nodes on which the pod makes the shares of CPU and memory in use
// more alike: a node out of memory wastes the CPU it has left. As in 1.37, it is
// the change that counts and not the state.
func balanced(c *cycle, nodes []*nodeInfo) []float64 {
	evenness := func(used, has resources) float64 {
		if has.milliCPU == 0 || has.memory == 0 {
			return maxScore
		}
		cpu := min(1, float64(used.milliCPU)/float64(has.milliCPU))
		memory := min(1, float64(used.memory)/float64(has.memory))
		return maxScore * (1 - math.Abs(cpu-memory)/2)
	}
	return each(nodes, func(n *nodeInfo) float64 {
		with := resources{milliCPU: n.requested.milliCPU + c.self.requests.milliCPU, memory: n.requested.memory + c.self.requests.memory}
		return maxScore/2 + (maxScore/2+evenness(with, n.allocatable)-evenness(n.requested, n.allocatable))/2
	})
}

// imagesThere prefers nodes that have the pod's images, by their size: 23 MB an
// image count nothing, 1 GB everything. An image that few nodes have counts less,
// or all pods of a kind would end up on one node.
func imagesThere(c *cycle, nodes []*nodeInfo) []float64 {
	const least, most = 23 << 20, 1000 << 20
	var images []string
	for _, containers := range [][]v1.Container{c.pod.Spec.InitContainers, c.pod.Spec.Containers} {
		for _, container := range containers {
			images = append(images, imageNames(container.Image)...)
		}
	}
	having := map[string]float64{}
	for _, n := range c.nodes {
		for _, image := range images {
			if _, ok := n.imageSizes[image]; ok {
				having[image]++
			}
		}
	}
	count := len(c.pod.Spec.InitContainers) + len(c.pod.Spec.Containers)
	return each(nodes, func(n *nodeInfo) float64 {
		sum := 0.0
		for _, image := range images {
			sum += float64(n.imageSizes[image]) * having[image] / float64(len(c.nodes))
		}
		sum = min(max(sum, least), float64(most*count))
		return maxScore * (sum - least) / float64(most*count-least)
	})
}

// imageNames are the forms under which a node may list an image: as the pod writes
// it, and as the runtime does.
func imageNames(name string) []string {
	if strings.LastIndex(name, ":") <= strings.LastIndex(name, "/") {
		name += ":latest"
	}
	switch first, _, nested := strings.Cut(name, "/"); {
	case !nested:
		return []string{name, "docker.io/library/" + name}
	case !strings.ContainsAny(first, ".:") && first != "localhost":
		return []string{name, "docker.io/" + name}
	}
	return []string{name}
}

// fewTaints prefers nodes with fewer PreferNoSchedule taints that the pod does not
// tolerate.
func fewTaints(c *cycle, nodes []*nodeInfo) []float64 {
	return scaled(each(nodes, func(n *nodeInfo) float64 {
		bad := 0.0
		for i := range n.node.Spec.Taints {
			taint := &n.node.Spec.Taints[i]
			if taint.Effect == v1.TaintEffectPreferNoSchedule &&
				!corev1helpers.TolerationsTolerateTaint(klog.Background(), c.pod.Spec.Tolerations, taint, false) {
				bad++
			}
		}
		return bad
	}), true)
}

// preferredNodes prefers nodes that the pod's preferred node affinity names.
func preferredNodes(c *cycle, nodes []*nodeInfo) []float64 {
	a := c.pod.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || len(a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution) == 0 {
		return make([]float64, len(nodes))
	}
	terms, err := nodeaffinity.NewPreferredSchedulingTerms(a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	if err != nil {
		return make([]float64, len(nodes)) // a wish that can't be understood is none
	}
	return scaled(each(nodes, func(n *nodeInfo) float64 { return float64(terms.Score(n.node)) }), false)
}

// preferredNeighbours prefers nodes near pods that the pod would like to be near,
// or that would like to be near it, and away from those it would not.
func preferredNeighbours(c *cycle, nodes []*nodeInfo) []float64 {
	wanted := preferTerms(c.pod)
	weights := map[domain]float64{}
	for _, n := range c.nodes {
		if len(wanted) == 0 && n.podsWithPreferredAffinity == 0 {
			continue // most pods have no such wishes
		}
		for _, other := range n.pods {
			theirs := preferTerms(other.pod)
			c.weigh(weights, n.node, c.pod, wanted, other.pod)
			c.weigh(weights, n.node, other.pod, theirs, c.pod)
		}
	}
	points := make([]float64, len(nodes))
	if len(weights) == 0 {
		return points
	}
	lowest, highest := math.Inf(1), math.Inf(-1)
	for i, n := range nodes {
		for d, weight := range weights {
			if n.node.Labels[d.key] == d.value {
				points[i] += weight
			}
		}
		lowest, highest = min(lowest, points[i]), max(highest, points[i])
	}
	for i := range points {
		if highest > lowest {
			points[i] = maxScore * (points[i] - lowest) / (highest - lowest)
		} else {
			points[i] = 0
		}
	}
	return points
}

func (c *cycle) weigh(weights map[domain]float64, node *v1.Node, owner *v1.Pod, terms []v1.WeightedPodAffinityTerm, other *v1.Pod) {
	for i := range terms {
		term := &terms[i]
		if value, ok := node.Labels[term.PodAffinityTerm.TopologyKey]; ok && c.matchesTerm(owner, &term.PodAffinityTerm, other) {
			weights[domain{term.PodAffinityTerm.TopologyKey, value}] += float64(term.Weight)
		}
	}
}

// fewSiblings spreads pods: over the domains of the pod's own soft constraints, or,
// if it has no constraints at all, over the nodes with few pods of its controller.
func fewSiblings(c *cycle, nodes []*nodeInfo) []float64 {
	if len(c.pod.Spec.TopologySpreadConstraints) > 0 {
		return scaled(each(nodes, func(n *nodeInfo) float64 {
			sum := 0.0
			for i := range c.spread.soft {
				k := &c.spread.soft[i]
				sum += float64(k.counts[n.node.Labels[k.TopologyKey]])
			}
			return sum
		}), true)
	}
	owner := metav1.GetControllerOfNoCopy(c.pod)
	if owner == nil {
		return make([]float64, len(nodes))
	}
	return scaled(each(nodes, func(n *nodeInfo) float64 {
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
