package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// errNoNodes means that there is not a single node yet.
var errNoNodes = errors.New("no nodes available to schedule pods")

// nonePinned is why a node was not looked at: the pod names others.
const nonePinned = "node(s) didn't satisfy plugin(s) [NodeAffinity]"

// noFit is why no node would have a pod.
type noFit struct {
	nodes      int
	refusals   map[string][]refusal // by node
	requeueOn  clusterEvent
	preemption string // what came of looking for pods to evict
}

// Error reads "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2
// Insufficient cpu. preemption: …", the form of upstream's FitError.
func (f *noFit) Error() string {
	var reasons []string
	for _, refusals := range f.refusals {
		for _, r := range refusals {
			reasons = append(reasons, r.reason)
		}
	}
	return available(f.nodes, reasons) + " preemption: " + f.preemption
}

// available counts how many nodes gave each reason.
func available(nodes int, reasons []string) string {
	counts := map[string]int{}
	for _, reason := range reasons {
		counts[reason]++
	}
	var parts []string
	for reason, count := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", count, reason))
	}
	slices.Sort(parts)
	message := fmt.Sprintf("0/%d nodes are available:", nodes)
	if len(parts) > 0 {
		message += " " + strings.Join(parts, ", ") + "."
	}
	return message
}

// final is true if evicting pods from the node would not make it fit.
func final(refusals []refusal) bool {
	return slices.ContainsFunc(refusals, func(r refusal) bool { return r.final })
}

// reasonOf is the PodScheduled condition's reason for an error of an attempt.
func reasonOf(err error) string {
	var fit *noFit
	if errors.As(err, &fit) || errors.Is(err, errNoNodes) {
		return v1.PodReasonUnschedulable
	}
	return v1.PodReasonSchedulerError
}
