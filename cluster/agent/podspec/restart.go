package podspec

import (
	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/runtime"
)

// ShouldRestart tells whether a container that ended with that exit code is to be
// started again: after its own rules and policy if it has any (KEP-5307), else after
// the pod's restartPolicy.
func ShouldRestart(spec *v1.PodSpec, c *v1.Container, exitCode int32) bool {
	if c.RestartPolicy != nil {
		for _, rule := range c.RestartPolicyRules {
			if rule.Action == v1.ContainerRestartRuleActionRestart && ruleMatches(rule, exitCode) {
				return true
			}
		}
		switch *c.RestartPolicy {
		case v1.ContainerRestartPolicyAlways:
			return true
		case v1.ContainerRestartPolicyOnFailure:
			return exitCode != 0
		case v1.ContainerRestartPolicyNever:
			return false
		}
	}
	switch spec.RestartPolicy {
	case v1.RestartPolicyOnFailure:
		return exitCode != 0
	case v1.RestartPolicyNever:
		return false
	}
	return true
}

// ruleMatches tells whether an exit code is one that the rule is about.
func ruleMatches(rule v1.ContainerRestartRule, exitCode int32) bool {
	if rule.ExitCodes == nil {
		return false
	}
	listed := false
	for _, code := range rule.ExitCodes.Values {
		listed = listed || code == exitCode
	}
	switch rule.ExitCodes.Operator {
	case v1.ContainerRestartRuleOnExitCodesOpIn:
		return listed
	case v1.ContainerRestartRuleOnExitCodesOpNotIn:
		return !listed
	}
	return false
}

// RestartsOnFailure tells whether a container that had to be killed (a failed
// liveness probe, say) is started again.
func RestartsOnFailure(spec *v1.PodSpec, c *v1.Container) bool {
	if c.RestartPolicy != nil {
		return *c.RestartPolicy != v1.ContainerRestartPolicyNever
	}
	return spec.RestartPolicy != v1.RestartPolicyNever
}

// ShouldContainerBeRestarted tells whether the container has to be started now, given what
// the runtime has of it: because it never was, or because it ended and is to run again
// (ShouldContainerBeRestarted in pkg/kubelet/container/helpers.go).
func ShouldContainerBeRestarted(pod *v1.Pod, c *v1.Container, now *runtime.Container) bool {
	switch {
	case pod.DeletionTimestamp != nil:
		return false
	case now == nil || now.State == runtime.Unknown || now.State == runtime.Created:
		return true
	case now.State == runtime.Running:
		return false
	}
	return ShouldRestart(&pod.Spec, c, now.ExitCode)
}
