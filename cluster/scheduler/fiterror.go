package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// errNoNodesAvailable means that the cluster has no node at all yet (ErrNoNodesAvailable
// in upstream's pkg/scheduler/scheduler.go).
var errNoNodesAvailable = errors.New("no nodes available to schedule pods")

// fitError is why no node can take a pod: upstream's FitError, with its Diagnosis
// (pkg/scheduler/framework/types.go).
type fitError struct {
	numAllNodes  int
	nodeToStatus map[string]*status // by name of the node
	requeueOn    clusterEvent       // what may help, from the plugins that rejected nodes
	// postFilterMsg is what came of preemption, which runs after the filters.
	postFilterMsg string
}

// Error reads "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2
// Insufficient cpu. preemption: …".
func (f *fitError) Error() string {
	return noNodeAvailable(f.numAllNodes, f.countReasons()) + " preemption: " + f.postFilterMsg
}

// countReasons returns the number of nodes by reason. A node may have several.
func (f *fitError) countReasons() map[string]int {
	counts := map[string]int{}
	for _, st := range f.nodeToStatus {
		for _, reason := range st.reasons {
			counts[reason]++
		}
	}
	return counts
}

// noNodeAvailable says how many nodes gave each reason. It sorts them as text, numbers
// and all, as upstream does, so that the same state always reads the same.
func noNodeAvailable(numAllNodes int, reasons map[string]int) string {
	var parts []string
	for reason, count := range reasons {
		parts = append(parts, fmt.Sprintf("%d %s", count, reason))
	}
	slices.Sort(parts)
	message := fmt.Sprintf("0/%d nodes are available:", numAllNodes)
	if len(parts) > 0 {
		message += " " + strings.Join(parts, ", ") + "."
	}
	return message
}

// reasonOf is the reason in the PodScheduled condition: Unschedulable if the cluster as
// it is can't take the pod, SchedulerError if the scheduler could not find out.
func reasonOf(err error) string {
	var fit *fitError
	if errors.As(err, &fit) || errors.Is(err, errNoNodesAvailable) {
		return v1.PodReasonUnschedulable
	}
	return v1.PodReasonSchedulerError
}
