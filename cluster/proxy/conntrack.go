package proxy

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// staleEntries matches tracked UDP flows to a service port that go to an
// endpoint which no longer serves it. The kernel would send their packets there as long as
// they keep coming: it consults the rules only for a flow's first packet. TCP
// needs no such help, its connections break by themselves.
//
// A client that asks DNS from one socket for ever is such a flow: without this, it would
// ask a CoreDNS pod that is gone.
type staleEntries struct {
	// serving holds, by a service's address and port, who may get its packets.
	serving map[netip.AddrPort]map[netip.AddrPort]bool
	// nodePorts is the same for node ports, on any of the node's addresses.
	nodePorts map[uint16]map[netip.AddrPort]bool
	node      map[netip.Addr]bool
}

func newStaleEntries(ports []servicePort, node map[netip.Addr]bool) *staleEntries {
	s := &staleEntries{serving: map[netip.AddrPort]map[netip.AddrPort]bool{}, nodePorts: map[uint16]map[netip.AddrPort]bool{}, node: node}
	for i := range ports {
		p := &ports[i]
		if p.protocol != "udp" {
			continue
		}
		serving := map[netip.AddrPort]bool{}
		for _, e := range p.endpoints {
			if e.serving {
				serving[e.addr] = true
			}
		}
		s.serving[netip.AddrPortFrom(p.clusterIP, p.number)] = serving
		for _, addr := range p.externalIPs {
			s.serving[netip.AddrPortFrom(addr, p.number)] = serving
		}
		for _, addr := range p.loadBalancerVIPs {
			s.serving[netip.AddrPortFrom(addr, p.number)] = serving
		}
		if p.nodePort != 0 {
			s.nodePorts[p.nodePort] = serving
		}
	}
	return s
}

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (s *staleEntries) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	if flow.Forward.Protocol != unix.IPPROTO_UDP {
		return false
	}
	// A tracked flow has two directions: the one the client sees, to the Service, and the
	// answers, which come from the endpoint that was chosen.
	to, ok1 := netip.AddrFromSlice(flow.Forward.DstIP)
	by, ok2 := netip.AddrFromSlice(flow.Reverse.SrcIP)
	if !ok1 || !ok2 {
		return false
	}
	to, by = to.Unmap(), by.Unmap()
	serving, known := s.serving[netip.AddrPortFrom(to, flow.Forward.DstPort)]
	if !known && s.node[to] {
		serving, known = s.nodePorts[flow.Forward.DstPort]
	}
	return known && !serving[netip.AddrPortFrom(by, flow.Reverse.SrcPort)]
}

// cleanStaleEntries removes those flows from the kernel's table and returns how many
// (CleanStaleEntries in pkg/proxy/conntrack/cleanup.go). It compares the table with the
// Services as they are now, and not with what changed. So it also finds what was left
// behind while no proxy ran.
func cleanStaleEntries(ports []servicePort) (uint, error) {
	node, err := nodeAddresses()
	if err != nil {
		return 0, err
	}
	n, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, newStaleEntries(ports, node))
	if err != nil {
		return n, fmt.Errorf("removing tracked UDP flows to endpoints that are gone: %w", err)
	}
	return n, nil
}

// nodeAddresses are those on which node ports answer.
func nodeAddresses() (map[netip.Addr]bool, error) {
	list, err := netlink.AddrList(nil, unix.AF_INET)
	if err != nil {
		return nil, fmt.Errorf("listing the node's addresses: %w", err)
	}
	all := map[netip.Addr]bool{}
	for _, a := range list {
		if addr, ok := netip.AddrFromSlice(a.IP); ok {
			all[addr.Unmap()] = true
		}
	}
	return all, nil
}
