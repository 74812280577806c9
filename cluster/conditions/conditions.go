// Package conditions reads the conditions in which Nodes and Pods say how they are. A
// condition is one statement, such as Ready, with a status of True, False or Unknown; a
// machine reads its reason, people read its message. A condition that is missing says
// nothing, and so it counts as not true.
package conditions

import (
	v1 "k8s.io/api/core/v1"
	nodeutil "k8s.io/component-helpers/node/util"
	"k8s.io/kubectl/pkg/util/podutils"
)

// Node is the condition of that type, nil if the node has none. It points into the
// status, so a change of it changes the status.
func Node(status *v1.NodeStatus, kind v1.NodeConditionType) *v1.NodeCondition {
	_, c := nodeutil.GetNodeCondition(status, kind)
	return c
}

// NodeReady tells whether the node takes pods and, if it does not, why: the words of its
// agent, or of the node lifecycle controller once the agent has been silent for too long.
func NodeReady(node *v1.Node) (ready bool, why string) {
	c := Node(&node.Status, v1.NodeReady)
	switch {
	case c == nil:
		return false, "no status yet" // it has registered, and has not reported since
	case c.Status != v1.ConditionTrue:
		return false, c.Message
	}
	return true, ""
}

// Pod is the condition of that type, nil if the pod has none. It points into the status.
func Pod(status *v1.PodStatus, kind v1.PodConditionType) *v1.PodCondition {
	for i := range status.Conditions {
		if status.Conditions[i].Type == kind {
			return &status.Conditions[i]
		}
	}
	return nil
}

// PodReady tells whether the pod may get traffic: its containers are ready, and so is
// every readiness gate (KEP-580).
func PodReady(pod *v1.Pod) bool { return podutils.IsPodReady(pod) }
