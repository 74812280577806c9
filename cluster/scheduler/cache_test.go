package scheduler

import (
	"testing"

	v1 "k8s.io/api/core/v1"
)

// What a removed pod had is free to the last bit.
func TestCacheCountsBackToZero(t *testing.T) {
	s, _ := cluster(testPod("p"), testNode("n"))
	pods := []*v1.Pod{testPod("a", on("n"), requests("500m", "1Gi"), awayFrom("x")), testPod("b", on("n"), requests("1", "2Gi"))}
	for _, pod := range pods {
		s.cache.addOrUpdatePod(pod)
		s.cache.addOrUpdatePod(pod) // an update is no second pod
	}
	n := s.cache.nodes["n"]
	if n.requested.milliCPU != 1500 || len(n.pods) != 2 || n.podsWithRequiredAntiAffinity != 1 {
		t.Fatalf("%d pods, %+v requested, %d with anti-affinity", len(n.pods), n.requested, n.podsWithRequiredAntiAffinity)
	}
	for _, pod := range pods {
		if !s.cache.removePod(pod.UID) || s.cache.removePod(pod.UID) {
			t.Error("removePod should be true once")
		}
	}
	if n.requested.milliCPU != 0 || n.requested.memory != 0 || n.nonZeroRequested.milliCPU != 0 || len(n.pods) != 0 || n.podsWithRequiredAntiAffinity != 0 {
		t.Errorf("left over: %+v", n)
	}
}

func TestAssumedPodsAreConfirmedOrForgotten(t *testing.T) {
	s, _ := cluster(testPod("p"), testNode("n"))
	pod := testPod("a", requests("1", "1Gi"))
	s.cache.assumePod(pod, "n")
	if !s.cache.isAssumedPod(pod.UID) || s.cache.nodes["n"].requested.milliCPU != 1000 {
		t.Fatal("an assumed pod takes no room")
	}
	s.cache.forgetPod(pod.UID)
	if s.cache.nodes["n"].requested.milliCPU != 0 {
		t.Fatal("a forgotten pod still takes room")
	}
	s.cache.assumePod(pod, "n")
	s.cache.addOrUpdatePod(testPod("a", requests("1", "1Gi"), on("n"))) // the watch confirms it
	s.cache.forgetPod(pod.UID)                                          // too late
	if s.cache.isAssumedPod(pod.UID) || s.cache.nodes["n"].requested.milliCPU != 1000 {
		t.Error("a confirmed pod was forgotten")
	}
}

func TestPodsOfALostNodeAreKept(t *testing.T) {
	s, _ := cluster(testPod("p"), testNode("n"))
	s.cache.addOrUpdatePod(testPod("a", on("n")))
	s.cache.removeNode("n")
	if len(s.cache.sorted) != 0 {
		t.Error("the node is still there")
	}
	s.cache.addOrUpdateNode(testNode("n"))
	if len(s.cache.nodes["n"].pods) != 1 {
		t.Error("the node came back without its pod")
	}
}
