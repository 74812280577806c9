package scheduler

import (
	"testing"

	v1 "k8s.io/api/core/v1"
)

func TestNominatedRoomIsKeptFromTheLessImportant(t *testing.T) {
	s, _ := cluster(testPod("none"), testNode("node1"))
	high := testPod("high", requests("2", "1Gi"), important(100))
	s.cache.nominate(high, "node1")
	if node, err := s.schedulePod(t.Context(), testPod("low", requests("1", "1Gi"), important(1))); err == nil {
		t.Errorf("a less important pod got %s", node)
	}
	for _, pod := range []*v1.Pod{high, testPod("higher", requests("1", "1Gi"), important(1000))} {
		if _, err := s.schedulePod(t.Context(), pod); err != nil {
			t.Errorf("pod %s: %v", pod.Name, err)
		}
	}
	s.cache.nominate(high, "")
	if _, err := s.schedulePod(t.Context(), testPod("low", requests("1", "1Gi"), important(1))); err != nil {
		t.Errorf("the room is free again, and %v", err)
	}
}
