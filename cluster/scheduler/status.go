package scheduler

// status is why a plugin rejects a node, or nil if it does not: upstream's Status
// (k8s.io/kube-scheduler/framework/interface.go). Nobody changes one once it is made.
type status struct {
	// reasons are upstream's, word for word. Users read them in the event
	// FailedScheduling, and search for them.
	reasons []string
	// unresolvable is true if the pod would not fit even without the other pods on
	// the node, so that evicting them is of no use. (UnschedulableAndUnresolvable
	// upstream; otherwise the code is Unschedulable.)
	unresolvable bool
}

func unschedulable(reason string) *status { return &status{reasons: []string{reason}} }

func unresolvable(reason string) *status {
	return &status{reasons: []string{reason}, unresolvable: true}
}
