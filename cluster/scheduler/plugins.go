package scheduler

// plugin is one rule about which nodes suit a pod. Each has a file, which is named
// like it. (Upstream's framework/plugins; the functions are its extension points.)
type plugin struct {
	name string // upstream's

	// filter is called once for each attempt, and what it returns once for each node.
	// So what has to be known of the pod, or of all nodes, is worked out once, and
	// stays inside the plugin. nil means that the plugin rejects no node for this
	// pod. (PreFilter, Filter and the status Skip upstream.)
	filter func(c *cycleState) filterFunc

	// score compares the nodes that passed all filters: for each of them 0 to
	// maxNodeScore. (PreScore, Score and NormalizeScore upstream.)
	score func(c *cycleState, nodes []*nodeInfo) []float64
	// weight is what the score is multiplied by before the scores of all plugins are
	// added up.
	weight float64

	// requeueOn are the events that may make a pod schedulable which this plugin has
	// rejected from a node. (EventsToRegister upstream.)
	requeueOn clusterEvent
}

// filterFunc returns why the pod can't be on a node, or nil if it can.
type filterFunc func(n *nodeInfo) *status

// maxNodeScore is the best score that a plugin gives, before its weight (MaxScore in
// upstream's k8s.io/kube-scheduler/framework/interface.go).
const maxNodeScore = 100

// plugins are all plugins that filter or score. The order and the weights are those
// of upstream's default profile (pkg/scheduler/apis/config/v1/default_plugins.go).
//
// The order matters for filters: the first that rejects a node is the only one that
// the user reads about. So those come first that look at nothing but the node. The
// weights let what somebody asked for (taints, affinity, spreading) count for more
// than how full the nodes are.
//
// Four more have one place each where they are called: SchedulingGates in the event
// handlers, PrioritySort in the queue, DefaultPreemption after the filters, and
// DefaultBinder at the end. What upstream has besides is not here: the plugins for
// volumes, for DynamicResources and for pod groups, and NodeName, since a pod that
// names its node never waits in the queue.
var plugins = []plugin{
	{name: "NodeUnschedulable", filter: nodeUnschedulableFilter,
		requeueOn: nodeAdd | nodeUpdateTaint},
	{name: "TaintToleration", filter: taintTolerationFilter, score: taintTolerationScore, weight: 3,
		requeueOn: nodeAdd | nodeUpdateTaint},
	{name: "NodeAffinity", filter: nodeAffinityFilter, score: nodeAffinityScore, weight: 2,
		requeueOn: nodeAdd | nodeUpdateLabel},
	{name: "NodePorts", filter: nodePortsFilter,
		requeueOn: nodeAdd | assignedPodDelete},
	{name: "NodeResourcesFit", filter: nodeResourcesFitFilter, score: nodeResourcesFitScore, weight: 1,
		requeueOn: nodeAdd | nodeUpdateAllocatable | assignedPodDelete},
	{name: "PodTopologySpread", filter: podTopologySpreadFilter, score: podTopologySpreadScore, weight: 2,
		requeueOn: nodeAdd | nodeUpdateLabel | assignedPodAdd | assignedPodUpdateLabel | assignedPodDelete},
	{name: "InterPodAffinity", filter: interPodAffinityFilter, score: interPodAffinityScore, weight: 2,
		requeueOn: nodeAdd | nodeUpdateLabel | assignedPodAdd | assignedPodUpdateLabel | assignedPodDelete},
	{name: "NodeResourcesBalancedAllocation", score: nodeResourcesBalancedAllocationScore, weight: 1},
	{name: "ImageLocality", score: imageLocalityScore, weight: 1},
}
