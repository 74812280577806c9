package testbed

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestDiskIsHanded holds that what was asked for reaches the host's checks and the machines.
func TestDiskIsHanded(t *testing.T) {
	b := bedWith("nspawn", CPUs{}, false)
	b.state.Spec.Disk = Disk{Control: 3, Node: 7}
	if got := b.Preflight().DiskGiB; got != 10 {
		t.Errorf("the host is checked for disks of %d GiB", got)
	}
	for _, m := range b.specs() {
		if want := map[string]int{ControlName: 3, "node1": 7}[m.Name]; m.DiskGiB != want {
			t.Errorf("%s gets a disk of %d GiB, want %d", m.Name, m.DiskGiB, want)
		}
	}
}

// TestDiskStays wants the size of a testbed's beginning: machines are on it.
func TestDiskStays(t *testing.T) {
	for _, c := range []struct {
		has, asked int
		want       string
	}{
		{5, 5, ""}, {5, 9, "exists with disk.node 5; it can't become 9"}, {0, 9, "exists with disk.node unset; it can't become 9"}, {5, 0, "exists with disk.node 5"},
	} {
		have, want := State{Spec: DefaultSpec()}, DefaultSpec()
		have.Spec.Disk.Node, want.Disk.Node = c.has, c.asked
		_, err := merge(have, want, Given{"disk.node"})
		var u *UsageError
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &u) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%d GiB, asked for %d: %v, want %q", c.has, c.asked, err, c.want)
		}
	}
}

// TestDiskFullIsWhose wants a full disk to be the host's only where the machine has no own.
func TestDiskFullIsWhose(t *testing.T) {
	b := bedWith("nspawn", CPUs{}, false)
	b.state.Spec.Disk.Node = 5
	for name, want := range map[string]string{ControlName: "host-disk-full", "node1": "disk-full"} {
		m := MachineStatus{Name: name, FreeMiB: new(int64), sharesDisk: b.sharesDisk(name)}
		s := Status{Machines: []MachineStatus{m}}
		var found []string
		if len(diskFull(&s, &m)) > 0 {
			found = append(found, "disk-full")
		}
		if len(hostDiskFull(&s)) > 0 {
			found = append(found, "host-disk-full")
		}
		if !slices.Equal(found, []string{want}) {
			t.Errorf("a full disk of %s is %v, want %s", name, found, want)
		}
	}
}
