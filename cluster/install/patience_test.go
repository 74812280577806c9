package install

import (
	"net/netip"
	"strings"
	"testing"

	"noriter.dev/noriter/provision/machine"
)

// TestUnitsOfSlowMachines: leases last four times as long where the machines are
// emulated, and what starts gets four times the time. Elsewhere nothing differs from
// Kubernetes' defaults.
func TestUnitsOfSlowMachines(t *testing.T) {
	n := Node{Name: "control", Address: netip.MustParseAddr("10.77.0.10"), Control: true}
	fast := &Cluster{Nodes: []Node{n}}
	slow := &Cluster{Nodes: []Node{n}, Traits: machine.Traits{Emulated: true}}
	election := []string{"--leader-elect-lease-duration=1m0s", "--leader-elect-renew-deadline=40s", "--leader-elect-retry-period=8s"}
	want := map[string][]string{
		unitEtcd:        {"--heartbeat-interval=200", "--election-timeout=1000"},
		unitAPIServer:   nil,
		unitScheduler:   election,
		unitControllers: append(election, "--node-monitor-grace-period=3m20s", "--node-startup-grace-period=4m0s"),
		unitAgent:       {"--node-lease-duration-seconds=160", "--runtime-start-timeout=4m0s"},
		unitProxy:       nil,
		unitRegistry:    nil,
	}
	for _, unit := range Units(true) {
		before, after := string(fast.unitFile(unit, n, facts{})), string(slow.unitFile(unit, n, facts{}))
		flags, ok := want[unit]
		if !ok {
			t.Errorf("nobody has thought of %s", unit)
		}
		if !strings.Contains(before, "\nTimeoutStartSec=90\n") || !strings.Contains(after, "\nTimeoutStartSec=360\n") {
			t.Errorf("%s: the time to start is not four times as long:\n%s", unit, after)
		}
		for _, flag := range flags {
			name, _, _ := strings.Cut(flag, "=")
			if !strings.Contains(after, flag+" \\\n") && !strings.Contains(after, flag+"\n") {
				t.Errorf("%s of an emulated testbed lacks %s:\n%s", unit, flag, after)
			}
			if strings.Contains(before, name) {
				t.Errorf("%s of a fast testbed has %s", unit, name)
			}
		}
		if got := strings.Count(after, "--") - strings.Count(before, "--"); got != len(flags) {
			t.Errorf("%s: %d flags differ, want %d", unit, got, len(flags))
		}
	}
}
