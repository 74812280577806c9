package testbed

import (
	"strings"
	"testing"
)

func TestFaultsAreWrittenDown(t *testing.T) {
	b := bedOf(t, "node1")
	b.state.Spec.Driver = "nspawn"
	if err := b.home.writeState(DefaultName, b.state); err != nil {
		t.Fatal(err)
	}
	for _, f := range []Fault{{Name: "node-off", Node: "node1"}, {Name: "dns-down"}, {Name: "node-off", Node: "node1", Proven: true}} {
		if err := b.NoteFault(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := Open(b.home, DefaultName)
	if err != nil || len(kept.Faults()) != 2 || kept.Faults()[1].Name != "node-off" || !kept.Faults()[1].Proven {
		t.Errorf("kept: %+v, %v", kept.Faults(), err)
	}
	if err := kept.Save(t.Context(), "mine", quietly); err == nil || !strings.Contains(err.Error(), "nori fault recover") {
		t.Errorf("a snapshot with a fault in it: %v", err)
	}
	if err := b.ForgetFault(t.Context(), "node-off"); err != nil {
		t.Fatal(err)
	}
	if f := b.Faults(); len(f) != 1 || f[0].Name != "dns-down" {
		t.Errorf("left: %+v", f)
	}
	release, err := b.LockFaults(t.Context(), quietly)
	if err != nil {
		t.Fatal(err)
	}
	release()
}
