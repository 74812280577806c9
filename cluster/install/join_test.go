package install

import (
	"slices"
	"testing"

	"noriter.dev/noriter/provision/step"
)

func TestJoinSteps(t *testing.T) {
	c := &Cluster{Nodes: []Node{{Name: "control", Control: true}, {Name: "node1"}, {Name: "node2"}}, Only: []string{"node2"}}
	steps := JoinSteps(c, "machines")
	if err := step.Check(append([]step.Step{{ID: "machines"}}, steps...)); err != nil {
		t.Error(err)
	}
	var ids []string
	for _, s := range steps {
		ids = append(ids, s.ID)
	}
	for _, id := range joining {
		if !slices.Contains(ids, id) {
			t.Errorf("a joining node takes the step %q, which Steps does not have; it has %v", id, ids)
		}
	}
	for _, id := range []string{"etcd", "apiserver", "scheduler", "controllers"} {
		if slices.Contains(ids, id) {
			t.Errorf("a worker that joins must not touch %s", id)
		}
	}
	if got := c.targets(); len(got) != 1 || got[0].Name != "node2" {
		t.Errorf("the targets are %v", got)
	}
}
