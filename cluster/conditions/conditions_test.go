package conditions

import (
	"testing"

	v1 "k8s.io/api/core/v1"
)

func TestNodeReady(t *testing.T) {
	pressure := v1.NodeCondition{Type: v1.NodeMemoryPressure, Status: v1.ConditionTrue}
	ready := func(status v1.ConditionStatus, message string) []v1.NodeCondition {
		return []v1.NodeCondition{pressure, {Type: v1.NodeReady, Status: status, Message: message}}
	}
	for _, c := range []struct {
		list  []v1.NodeCondition
		ready bool
		why   string
	}{
		{nil, false, "no status yet"},
		{[]v1.NodeCondition{pressure}, false, "no status yet"},
		{ready(v1.ConditionTrue, "kubelet is posting ready status"), true, ""},
		{ready(v1.ConditionFalse, "container runtime is down"), false, "container runtime is down"},
		{ready(v1.ConditionUnknown, "Kubelet stopped posting node status."), false, "Kubelet stopped posting node status."},
	} {
		got, why := NodeReady(&v1.Node{Status: v1.NodeStatus{Conditions: c.list}})
		if got != c.ready || why != c.why {
			t.Errorf("%v: %v, %q; want %v, %q", c.list, got, why, c.ready, c.why)
		}
	}
}

func TestPod(t *testing.T) {
	pod := &v1.Pod{Status: v1.PodStatus{Conditions: []v1.PodCondition{
		{Type: v1.PodScheduled, Status: v1.ConditionTrue}, {Type: v1.PodReady, Status: v1.ConditionFalse},
	}}}
	if PodReady(pod) {
		t.Error("ready against its own word")
	}
	Pod(&pod.Status, v1.PodReady).Status = v1.ConditionTrue
	if !PodReady(pod) {
		t.Error("what Pod gives is not what is in the status")
	}
	if c := Pod(&pod.Status, v1.PodInitialized); c != nil {
		t.Errorf("found %v", c)
	}
}
