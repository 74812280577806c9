package testbed

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func bedOf(t *testing.T, workers ...string) *Testbed {
	t.Helper()
	s := State{Spec: DefaultSpec(), Subnet: netip.MustParsePrefix("10.77.1.0/24")}
	s.setWorkers(workers)
	return &Testbed{home: Home{t.TempDir()}, state: s}
}

func TestWorkersKeepNameAndAddress(t *testing.T) {
	b := bedOf(t, "node3", "node1")
	if got := b.Machines(); !slices.Equal(got, []string{"control", "node1", "node3"}) {
		t.Errorf("the machines are %v", got)
	}
	if a, ok := b.Address("node3"); !ok || a.String() != "10.77.1.13" {
		t.Errorf("node3 has %v", a)
	}
	if _, ok := b.Address("node2"); ok {
		t.Error("node2, which is not there, has an address")
	}
	for i, n := range b.nodes() {
		if s := b.specs()[i]; s.Name != n.Name || s.Address != n.Address {
			t.Errorf("the machine %v is the node %v", s, n)
		}
	}
}

func TestStateOfBeforeWorkersHadNames(t *testing.T) {
	s := State{Spec: Spec{Nodes: 3}}
	if got := s.workers(); !slices.Equal(got, []string{"node1", "node2", "node3"}) {
		t.Errorf("workers: %v", got)
	}
}

func TestAdmit(t *testing.T) {
	b := bedOf(t, "node1", "node3")
	name, err := b.admit("")
	if err != nil || name != "node2" || b.state.Joining != "node2" {
		t.Fatalf("admitted %q, %v; want the lowest free name", name, err)
	}
	kept, err := Open(b.home, DefaultName)
	if err != nil || !slices.Equal(kept.Machines(), []string{"control", "node1", "node2", "node3"}) || kept.state.Spec.Nodes != 3 {
		t.Errorf("it was written down as %+v, %v", kept, err)
	}
	// Interrupted: the next call takes up the same one, named or not.
	for _, again := range []string{"", "node2"} {
		if name, err := b.admit(again); err != nil || name != "node2" {
			t.Errorf("after an interruption, admit(%q) = %q, %v", again, name, err)
		}
	}
	b.state.Joining = ""
	var u *UsageError
	if _, err := b.admit("node3"); !errors.As(err, &u) || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second node3: %v", err)
	}
	for range MaxNodes - 3 {
		if _, err := b.admit(""); err != nil {
			t.Fatal(err)
		}
		b.state.Joining = ""
	}
	if _, err := b.admit(""); !errors.As(err, &u) || !strings.Contains(err.Error(), "the most") {
		t.Errorf("a tenth worker: %v", err)
	}
}

func TestWorkerNames(t *testing.T) {
	for _, name := range []string{"control", "node0", "node10", "node01", "web", "", "node"} {
		if err := checkWorker(name); err == nil {
			t.Errorf("%q is taken for a worker", name)
		}
	}
	for _, name := range []string{"node1", "node9"} {
		if err := checkWorker(name); err != nil {
			t.Error(err)
		}
	}
}

func TestMergeFillsGaps(t *testing.T) {
	have := bedOf(t, "node1", "node3").state
	want := DefaultSpec()
	want.Nodes = 4
	s, err := merge(have, want, Given{"nodes"})
	if err != nil || !slices.Equal(s.workers(), []string{"node1", "node2", "node3", "node4"}) {
		t.Errorf("workers: %v, %v", s.workers(), err)
	}
	if !slices.Equal(have.workers(), []string{"node1", "node3"}) {
		t.Errorf("the state before changed, too: %v", have.workers())
	}
}

func TestResetKnowsWhoIsNewer(t *testing.T) {
	b := bedOf(t, "node1", "node3")
	r := newResetRun(b, nil, snapshotOf("control", "node1", "node2"), "")
	if !slices.Equal(r.cluster.Only, []string{"control", "node1"}) || !slices.Equal(r.newer.names, []string{"node3"}) || !r.differs() {
		t.Errorf("puts %v back, makes %v anew", r.cluster.Only, r.newer.names)
	}
	checkSteps(t, r.steps())
	same := newResetRun(b, nil, snapshotOf("control", "node1", "node3"), "")
	if same.differs() || len(same.steps()) != 3 {
		t.Error("a testbed as it was is treated as one that changed")
	}
	fewer := newResetRun(b, nil, snapshotOf("control", "node1", "node2", "node3"), "")
	if !fewer.differs() || len(fewer.newer.names) != 0 {
		t.Error("a worker that was removed since is not missed")
	}
	checkSteps(t, fewer.steps())
}
