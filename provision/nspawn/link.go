package nspawn

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/netns"
)

// makeLink makes the pair of cards between the host and the testbed's namespace, or
// mends it, and routes each to the other. Neighbours' addresses are written down, since
// some hosts answer fewer questions for them (net.ipv4.conf.*.arp_ignore).
func (p *Provider) makeLink() error {
	near, err := p.hostCard()
	if err != nil {
		return err
	}
	if near == nil {
		if near, err = p.addLink(); err != nil {
			return err
		}
	}
	far, err := p.hardwareAddr("link inside")
	if err != nil {
		return err
	}
	if err := settleCard(near, p.hostAddr()); err != nil {
		return err
	}
	if err := neighbour(near, p.bridgeAddr(), far); err != nil {
		return err
	}
	err = netlink.RouteReplace(&netlink.Route{
		LinkIndex: near.Attrs().Index, Dst: ipNet(p.tb.Subnet.Masked()), Src: p.hostAddr().AsSlice(),
		Gw: p.bridgeAddr().AsSlice(), Flags: int(netlink.FLAG_ONLINK),
	})
	if err != nil {
		return lang.Errorf("making the route to %s: %w", "%s(으)로 가는 경로 만들기: %w", p.tb.Subnet, err)
	}
	return p.inside(func() error { return p.routeInside(near.Attrs().HardwareAddr) })
}

// hostCard is the host's end of the pair, if it is there and leads to the namespace.
// One that leads nowhere, as the namespace was made anew, is removed.
func (p *Provider) hostCard() (netlink.Link, error) {
	link, err := linkNamed(p.bridge())
	if err != nil || link == nil {
		return nil, err
	}
	if alias := link.Attrs().Alias; alias != p.mark() || link.Type() != "veth" {
		return nil, netns.Taken(lang.Textf("the network card %s", "네트워크 인터페이스 %s", p.bridge()), alias, "ip link delete "+p.bridge())
	}
	leads := false
	err = p.inside(func() error {
		far, err := linkNamed(outside)
		leads = err == nil && far != nil && far.Attrs().ParentIndex == link.Attrs().Index && link.Attrs().ParentIndex == far.Attrs().Index
		return err
	})
	if err != nil || leads {
		return link, err
	}
	return nil, removeLink(p.bridge())
}

// addLink makes the pair.
func (p *Provider) addLink() (netlink.Link, error) {
	// One whose host's end is in another namespace than this process.
	if err := p.inside(func() error { return removeLink(outside) }); err != nil {
		return nil, err
	}
	near, err := p.hardwareAddr("link")
	if err != nil {
		return nil, err
	}
	far, err := p.hardwareAddr("link inside")
	if err != nil {
		return nil, err
	}
	ns, err := os.Open(netns.Path(p.tb.Name))
	if err != nil {
		return nil, lang.Errorf("opening the testbed's network namespace: %w", "테스트베드의 네트워크 네임스페이스 열기: %w", err)
	}
	defer ns.Close()
	link, err := addPair(p.bridge(), outside, netlink.NsFd(ns.Fd()), near, far)
	if err != nil {
		return nil, err
	}
	return link, netlink.LinkSetAlias(link, p.mark())
}

// routeInside makes the namespace's side of the link, and the way between it and the
// bridge.
func (p *Provider) routeInside(near net.HardwareAddr) error {
	far, err := netlink.LinkByName(outside)
	if err != nil {
		return lang.Errorf("looking for the card that leads to the host: %w", "호스트로 가는 네트워크 카드 찾기: %w", err)
	}
	if err := p.forward(); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(far); err != nil {
		return err
	}
	if err := neighbour(far, p.hostAddr(), near); err != nil {
		return err
	}
	err = netlink.RouteReplace(&netlink.Route{
		LinkIndex: far.Attrs().Index, Dst: ipNet(netip.PrefixFrom(p.hostAddr(), 32)), Scope: netlink.SCOPE_LINK, Src: p.bridgeAddr().AsSlice(),
	})
	if err != nil {
		return lang.Errorf("making the route to the host: %w", "호스트로 가는 경로 만들기: %w", err)
	}
	return nil
}

// forward sets what a router needs. A new namespace takes some of the values from the
// host, which may be a hardened one.
func (p *Provider) forward() error {
	set := map[string]string{"ip_forward": "1"}
	for _, dev := range []string{"all", p.bridge(), outside} {
		set["conf/"+dev+"/rp_filter"], set["conf/"+dev+"/arp_ignore"], set["conf/"+dev+"/forwarding"] = "0", "0", "1"
	}
	// Machines take the host for one of theirs, and ask for its address.
	set["conf/"+p.bridge()+"/proxy_arp"], set["neigh/"+p.bridge()+"/proxy_delay"] = "1", "0"
	for key, value := range set {
		// The kernel takes it for the namespace of the thread that opens the file.
		if err := os.WriteFile(filepath.Join("/proc/sys/net/ipv4", key), []byte(value), 0); err != nil {
			return lang.Errorf("setting the kernel's net/ipv4/%s: %w", "커널의 net/ipv4/%s 설정: %w", key, err)
		}
	}
	return nil
}

// settleCard gives a card one address, and switches it on.
func settleCard(link netlink.Link, addr netip.Addr) error {
	// It carries IPv4 alone. A host without IPv6 has no such file.
	_ = os.WriteFile(fmt.Sprintf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", link.Attrs().Name), []byte("1"), 0)
	if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(addr, 32))}); err != nil {
		return lang.Errorf("giving %s the address %s: %w", "%s에 주소 %s 부여: %w", link.Attrs().Name, addr, err)
	}
	return netlink.LinkSetUp(link)
}

func neighbour(link netlink.Link, addr netip.Addr, mac net.HardwareAddr) error {
	err := netlink.NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, Family: unix.AF_INET, State: netlink.NUD_PERMANENT, IP: addr.AsSlice(), HardwareAddr: mac,
	})
	if err != nil {
		return lang.Errorf("writing down the neighbour %s of %s: %w", "%[2]s의 이웃 %[1]s 적기: %[3]w", addr, link.Attrs().Name, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}

// checkRoute asks the kernel which way it would take to a machine: a VPN may have rules
// that go before all routes (ip-rule(8)).
func (p *Provider) checkRoute() error {
	link, err := netlink.LinkByName(p.bridge())
	if err != nil {
		return lang.Errorf("looking for network card %s: %w", "네트워크 인터페이스 %s 찾기: %w", p.bridge(), err)
	}
	routes, err := netlink.RouteGet(p.hostAddr().Next().AsSlice())
	if err == nil && len(routes) > 0 && routes[0].LinkIndex == link.Attrs().Index {
		return nil
	}
	way := lang.Text{EN: "nowhere", KO: "갈 수 없는 곳"}
	if err == nil && len(routes) > 0 {
		if other, lerr := netlink.LinkByIndex(routes[0].LinkIndex); lerr == nil {
			way = lang.Text{EN: other.Attrs().Name, KO: other.Attrs().Name}
		}
	}
	return &machine.HostError{
		What: lang.Textf("this host's routing rules send what is for the machines (%s) to %s, past the testbed's card %s",
			"이 호스트의 라우팅 규칙이 머신(%s)으로 가는 것을 테스트베드의 인터페이스 %[3]s이(가) 아니라 %[2]s(으)로 보냅니다",
			p.tb.Subnet, way, p.bridge()).String(),
		Remedy: "nori down; nori up --isolated   # or --subnet, with one that `ip rule` and `ip route show table all` leave alone",
		Err:    err,
	}
}
