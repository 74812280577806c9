package scheduler

import v1 "k8s.io/api/core/v1"

// gated is true while somebody holds the pod back by a gate in spec.schedulingGates:
// the plugin SchedulingGates (KEP-3521; upstream's
// framework/plugins/schedulinggates/scheduling_gates.go). Whoever set a gate removes
// it when the pod may be scheduled, and that update brings the pod into the queue.
func gated(pod *v1.Pod) bool { return len(pod.Spec.SchedulingGates) > 0 }
