package netns

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// candidates are the subnets that testbeds take unless told otherwise, from all
// private ranges (RFC 1918): 10.77.0.0/24 to 10.77.255.0/24 first, then those of
// 192.168.0.0/16 and of 172.31.0.0/16, from their upper ends, which home routers and
// container runtimes take last.
func candidates() []netip.Prefix {
	list := make([]netip.Prefix, 0, 3*256)
	for n := range 256 {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, byte(n), 0}), 24))
	}
	for _, of := range [][2]byte{{192, 168}, {172, 31}} {
		for n := 255; n >= 0; n-- {
			list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{of[0], of[1], byte(n), 0}), 24))
		}
	}
	return list
}

// widest is the shortest prefix that counts as somebody's network. What is wider
// (the halves of everything, or all of 10.0.0.0/8, as VPNs route them) says "all that
// nobody else has": a testbed's own route is longer and goes before it.
const widest = 16

// Clash says whether an address or a route of the host is in the way of a testbed's
// subnet.
func Clash(host, subnet netip.Prefix) bool {
	return host.IsValid() && host.Bits() >= widest && host.Overlaps(subnet)
}

// FreeSubnet gives the first of the wanted subnets (candidates, if none is given)
// that overlaps neither with those taken nor with an address or a route of the current
// network namespace; see Clash. That there is none is a *machine.HostError.
func FreeSubnet(taken []netip.Prefix, want ...netip.Prefix) (netip.Prefix, error) {
	used, err := hostSubnets()
	if err != nil {
		return netip.Prefix{}, err
	}
	return choose(append(used, taken...), want)
}

func choose(used, want []netip.Prefix) (netip.Prefix, error) {
	if len(want) == 0 {
		want = candidates()
	}
next:
	for _, w := range want {
		for _, u := range used {
			if Clash(u, w) {
				continue next
			}
		}
		return w.Masked(), nil
	}
	return netip.Prefix{}, &machine.HostError{
		What: lang.Textf("none of %d subnets from %s on is free: this host's routes, its addresses or other testbeds overlap with them all",
			"%[2]s부터 서브넷 %[1]d개 가운데 비어 있는 것이 없습니다: 이 호스트의 라우팅 경로, 주소, 다른 테스트베드 중 하나와 모두 겹칩니다",
			len(want), want[0]).String(),
		Remedy: "nori up --isolated   # or --subnet 10.99.1.0/24",
	}
}

// hostSubnets lists what the current network namespace reaches without its
// default route.
func hostSubnets() ([]netip.Prefix, error) {
	var used []netip.Prefix
	// Table 0 means all tables: a VPN may keep its routes in one of its own.
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, lang.Errorf("listing the host's routes: %w", "호스트의 라우팅 경로 읽기: %w", err)
	}
	for _, r := range routes {
		if p, ok := prefixOf(r.Dst); ok {
			used = append(used, p)
		}
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, lang.Errorf("listing the host's addresses: %w", "호스트의 주소 목록 읽기: %w", err)
	}
	for _, a := range addrs {
		if p, ok := prefixOf(a.IPNet); ok {
			used = append(used, p)
		}
	}
	return used, nil
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	ones, bits := n.Mask.Size()
	if !ok || bits == 0 {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr.Unmap(), ones).Masked(), true
}
