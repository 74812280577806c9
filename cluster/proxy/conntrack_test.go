package proxy

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func flow(to string, port uint16, by string, byPort uint16) *netlink.ConntrackFlow {
	return &netlink.ConntrackFlow{
		Forward: netlink.IPTuple{Protocol: unix.IPPROTO_UDP, DstIP: net.ParseIP(to), DstPort: port},
		Reverse: netlink.IPTuple{Protocol: unix.IPPROTO_UDP, SrcIP: net.ParseIP(by), SrcPort: byPort},
	}
}

func TestStaleFlowsNeedsTheNodesAddress(t *testing.T) {
	p := servicePort{protocol: "udp", clusterIP: netip.MustParseAddr("10.96.0.10"), number: 53, nodePort: 30053, endpoints: []endpoint{ep("10.244.1.2:53")}}
	s := newStaleEntries([]servicePort{p}, map[netip.Addr]bool{netip.MustParseAddr("10.77.0.11"): true})
	for _, c := range []struct {
		to    string
		port  uint16
		by    string
		stale bool
	}{
		{"10.96.0.10", 53, "10.244.1.2", false},
		{"10.96.0.10", 53, "10.244.1.9", true},
		{"10.96.0.10", 54, "10.244.1.9", false},
		{"10.77.0.11", 30053, "10.244.1.9", true},
		{"192.0.2.1", 30053, "10.244.1.9", false}, // another host's port
	} {
		if got := s.MatchConntrackFlow(flow(c.to, c.port, c.by, 53)); got != c.stale {
			t.Errorf("flow to %s:%d answered by %s: stale is %v", c.to, c.port, c.by, got)
		}
	}
}
