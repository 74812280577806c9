package testbed

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/preflight"
)

// bedWith is a testbed of two machines that is nowhere.
func bedWith(driver string, cpus CPUs, unlimited bool) *Testbed {
	s := State{Spec: DefaultSpec(), Subnet: netip.MustParsePrefix("10.77.1.0/24"), Unlimited: unlimited}
	s.Spec.Driver, s.Spec.Nodes, s.Spec.CPUs = driver, 1, cpus
	return &Testbed{state: s}
}

// TestProcessors: what is said of processors, and what the machines and the nodes get.
func TestProcessors(t *testing.T) {
	for _, c := range []struct {
		driver        string
		said          CPUs
		unlimited     bool
		control, node int
		limit         int
	}{
		{"libvirt", CPUs{}, false, 2, 1, 0},
		{"libvirt", CPUs{Node: 3}, false, 2, 3, 0},
		{"libvirt", CPUs{Control: 4, Node: 2}, true, 4, 2, 0}, // an older one has what it had
		{"nspawn", CPUs{}, false, 0, 0, 0},
		{"nspawn", CPUs{Node: 1}, false, 0, 1, 1},
		{"nspawn", CPUs{Control: 3, Node: 2}, false, 3, 2, 3},
		{"nspawn", CPUs{Control: 2, Node: 1}, true, 0, 0, 0}, // an older one never had a limit
	} {
		b := bedWith(c.driver, c.said, c.unlimited)
		specs, nodes := b.specs(), b.nodes()
		if specs[0].CPUs != c.control || specs[1].CPUs != c.node || nodes[0].CPUs != c.control || nodes[1].CPUs != c.node {
			t.Errorf("%+v: the machines are %+v, the nodes %+v", c, specs, nodes)
		}
		if got := b.Preflight().CPUs; got != c.limit {
			t.Errorf("%+v: the host is asked for %d processors", c, got)
		}
	}
}

// TestOlderProcessors: a testbed of a nori that recorded processors and limited none has
// no limit, and whoever says the same again, or nothing, gets no complaint.
func TestOlderProcessors(t *testing.T) {
	h := homeWith(t, "cache1", recorded(t, stateFile))
	b, err := Open(h, "cache1")
	if err != nil || b.specs()[1].CPUs != 0 {
		t.Fatalf("%+v, %v; want no limit", b.specs(), err)
	}
	if err := b.writeState(); err != nil {
		t.Fatal(err)
	}
	if b, err = Open(h, "cache1"); err != nil || b.specs()[1].CPUs != 0 {
		t.Fatalf("once written: %+v, %v; want no limit", b.specs(), err)
	}
	both := Given{"cpus.control", "cpus.node"}
	for _, same := range []CPUs{{Control: 2, Node: 1}, {}} {
		want := b.state.Spec
		want.CPUs = same
		got, err := merge(b.state, want, both)
		if err != nil || !got.Unlimited {
			t.Errorf("%v again: %+v, %v", same, got, err)
		}
	}
	want := b.state.Spec
	want.CPUs.Node = 2
	if _, err := merge(b.state, want, both); err == nil || !strings.Contains(err.Error(), "`nori down --name cache1`") {
		t.Errorf("a limit that it can't get any more: %v", err)
	}
}

// TestOtherProcessors: what the driver chose may be said, and nothing else.
func TestOtherProcessors(t *testing.T) {
	for _, c := range []struct {
		driver     string
		have, want int
		refused    string
	}{
		{"libvirt", 0, 1, ""},
		{"libvirt", 1, 0, ""},
		{"libvirt", 0, 2, "exists with cpus.node unset; it can't become 2"},
		{"nspawn", 1, 0, "exists with cpus.node 1; it can't become 0"},
		{"nspawn", 0, 1, "exists with cpus.node unset; it can't become 1"},
	} {
		have := bedWith(c.driver, CPUs{Node: c.have}, false).state
		want := have.Spec
		want.CPUs.Node = c.want
		_, err := merge(have, want, Given{"cpus.node"})
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}

// TestTooManyProcessors: a limit above what the host has is the host's lack.
func TestTooManyProcessors(t *testing.T) {
	b := bedWith("nspawn", CPUs{Node: 1 << 20}, false)
	b.home = Home{t.TempDir()}
	var lacks *machine.HostError
	if err := preflight.Must(t.Context(), preflight.ForUp(b.Preflight())); !errors.As(err, &lacks) || !strings.Contains(err.Error(), "--node-cpus") {
		t.Errorf("got %v", err)
	}
}
