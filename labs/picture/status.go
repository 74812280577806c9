package picture

import (
	"fmt"
	"strings"

	"noriter.dev/noriter/labs/expr"
)

// status is a pod's state in the words of kubectl's column STATUS.
func status(pod object) string {
	if get(pod, "metadata", "deletionTimestamp") != nil {
		return "Terminating"
	}
	out := text(pod, "status", "phase")
	if reason := text(pod, "status", "reason"); reason != "" {
		out = reason
	}
	inits := list(pod, "status", "initContainerStatuses")
	for i, c := range inits {
		if text(c, "state", "terminated", "reason") == "Completed" || get(c, "started") == true {
			continue
		}
		if reason := stopped(c); reason != "" && reason != "PodInitializing" {
			return "Init:" + reason
		}
		return fmt.Sprintf("Init:%d/%d", i, len(list(pod, "spec", "initContainers")))
	}
	running := false
	for _, c := range list(pod, "status", "containerStatuses") {
		if reason := stopped(c); reason != "" {
			out = reason
		} else if get(c, "ready") == true {
			running = true
		}
	}
	if out == "Completed" && running {
		return "Running"
	}
	return out
}

// stopped is why a container doesn't run; empty if it does.
func stopped(c object) string {
	if reason := text(c, "state", "waiting", "reason"); reason != "" {
		return reason
	}
	ended, ok := get(c, "state", "terminated").(object)
	if !ok {
		return ""
	}
	if reason := text(ended, "reason"); reason != "" {
		return reason
	}
	return fmt.Sprintf("ExitCode:%d", number(ended, "exitCode"))
}

// readiness is kubectl's column READY.
func readiness(pod object) string {
	ready := 0
	for _, c := range list(pod, "status", "containerStatuses") {
		if get(c, "ready") == true {
			ready++
		}
	}
	return fmt.Sprintf("%d/%d", ready, len(list(pod, "spec", "containers")))
}

// row is a pod on one line: name, readiness, state, and what else is said.
func row(pod object, more string) string {
	state := status(pod)
	if times := fmt.Sprintf(" (%dx)", restarts(pod)); times != " (0x)" && len(state)+len(times) <= 16 {
		state += times
	}
	return strings.TrimRight(fit(name(pod), 21)+" "+fit(readiness(pod), 4)+fit(state, 16)+" "+more, " ")
}

func restarts(pod object) (sum int64) {
	for _, c := range list(pod, "status", "containerStatuses") {
		sum += number(c, "restartCount")
	}
	return sum
}

// ready tells whether a node is Ready.
func ready(node object) bool { return expr.Ready(node) }

// nodeState is what is worth saying of a node beside its name.
func nodeState(node object) string {
	var out []string
	if !ready(node) {
		out = append(out, "NotReady")
	}
	if get(node, "spec", "unschedulable") == true {
		out = append(out, "SchedulingDisabled")
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, ",") + ")"
}

// address is a node's own.
func address(node object) string {
	for _, a := range list(node, "status", "addresses") {
		if a["type"] == "InternalIP" {
			return text(a, "address")
		}
	}
	return ""
}
