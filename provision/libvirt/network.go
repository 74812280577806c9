package libvirt

import (
	"context"
	"net/netip"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// The last numbers of the addresses for a machine that a person attaches by
// hand. With such a range dnsmasq serves leases from the start; without, the
// first fixed one would cost a restart of it.
const firstFree, lastFree = 240, 250

// networkXML is the testbed's NAT network on our bridge. The machines' fixed
// leases come to it one by one.
func networkXML(tb machine.Testbed) (string, error) {
	gw := gateway(tb.Subnet)
	md, err := mark{Name: tb.Name, Dir: tb.Dir}.xml()
	if err != nil {
		return "", err
	}
	x := libvirtxml.Network{
		Name:     networkName(tb.Name),
		UUID:     uuid("network", tb.Name, ""),
		Metadata: &libvirtxml.NetworkMetadata{XML: md},
		Forward:  &libvirtxml.NetworkForward{Mode: "nat"},
		Bridge:   &libvirtxml.NetworkBridge{Name: BridgeName(tb.Name), STP: "off", Delay: "0"},
		MAC:      &libvirtxml.NetworkMAC{Address: macAddress(tb.Name, "")},
		IPs: []libvirtxml.NetworkIP{{
			Address: gw.String(), Family: "ipv4", Prefix: uint(tb.Subnet.Bits()),
			DHCP: &libvirtxml.NetworkDHCP{Ranges: []libvirtxml.NetworkDHCPRange{{
				Start: numbered(tb.Subnet, firstFree), End: numbered(tb.Subnet, lastFree),
			}}},
		}},
	}
	return marshal(&x)
}

// gateway is the bridge's own address, the first of the subnet.
func gateway(subnet netip.Prefix) netip.Addr { return subnet.Masked().Addr().Next() }

// numbered is the address of a /24 with this last number.
func numbered(subnet netip.Prefix, last byte) string {
	a := subnet.Masked().Addr().As4()
	a[3] = last
	return netip.AddrFrom4(a).String()
}

// ensureNetwork defines the network and starts it.
func (p *Provider) ensureNetwork(ctx context.Context, c *conn) error {
	name := networkName(p.tb.Name)
	if !p.tb.Subnet.Addr().Is4() || p.tb.Subnet.Bits() > 24 {
		return lang.Errorf("testbed %s: %q is not an IPv4 subnet of 24 bits or fewer",
			"테스트베드 %s: %q은(는) 24비트 이하의 IPv4 서브넷이 아닙니다", p.tb.Name, p.tb.Subnet)
	}
	n, x, err := findNetwork(ctx, c, name)
	switch {
	case isCode(err, golibvirt.ErrNoNetwork):
		text, err := networkXML(p.tb)
		if err != nil {
			return err
		}
		n, err = ask(ctx, c, lang.Textf("defining network %s", "네트워크 %s 정의", name), func(lv *golibvirt.Libvirt) (golibvirt.Network, error) {
			return lv.NetworkDefineXML(text)
		})
		if err != nil {
			return hostError(err)
		}
	case err != nil:
		return err
	default:
		if err := p.checkNetwork(x); err != nil {
			return err
		}
	}
	active, err := ask(ctx, c, lang.Textf("reading the state of network %s", "네트워크 %s의 상태 확인", name),
		func(lv *golibvirt.Libvirt) (int32, error) { return lv.NetworkIsActive(n) })
	if err != nil {
		return err
	}
	if active == 1 {
		return p.ensureServing(ctx, c, n)
	}
	return p.startNetwork(ctx, c, n)
}

func (p *Provider) startNetwork(ctx context.Context, c *conn, n golibvirt.Network) error {
	if p.daemon != nil {
		if err := removeAbandonedBridge(BridgeName(p.tb.Name)); err != nil {
			return err
		}
	}
	return hostError(c.call(ctx, lang.Textf("starting network %s", "네트워크 %s 시작", n.Name), func(lv *golibvirt.Libvirt) error {
		return lv.NetworkCreate(n)
	}))
}

// findNetwork looks a network up and reads it.
func findNetwork(ctx context.Context, c *conn, name string) (golibvirt.Network, libvirtxml.Network, error) {
	var x libvirtxml.Network
	n, err := ask(ctx, c, lang.Textf("looking for network %s", "네트워크 %s 찾기", name), func(lv *golibvirt.Libvirt) (golibvirt.Network, error) {
		return lv.NetworkLookupByName(name)
	})
	if err != nil {
		return n, x, err
	}
	reading := lang.Textf("reading network %s", "네트워크 %s 읽기", name)
	text, err := ask(ctx, c, reading, func(lv *golibvirt.Libvirt) (string, error) { return lv.NetworkGetXMLDesc(n, 0) })
	if err != nil {
		return n, x, err
	}
	if err := x.Unmarshal(text); err != nil {
		return n, x, lang.Errorf("%s: %w", "%s: %w", reading, err)
	}
	return n, x, nil
}

func networkMetadata(x libvirtxml.Network) string {
	if x.Metadata == nil {
		return ""
	}
	return x.Metadata.XML
}

// checkNetwork makes sure that a network is ours and has our subnet.
func (p *Provider) checkNetwork(x libvirtxml.Network) error {
	if err := p.checkOwner(lang.Textf("network %s", "네트워크 %s", x.Name), networkMetadata(x)); err != nil {
		return err
	}
	if gw := gateway(p.tb.Subnet).String(); len(x.IPs) == 0 || x.IPs[0].Address != gw {
		return lang.Errorf("network %s does not have the address %s: the testbed's subnet was changed; remove the testbed first",
			"네트워크 %s의 주소가 %s이(가) 아닙니다: 테스트베드의 서브넷이 바뀌었습니다. 먼저 테스트베드를 제거하세요", x.Name, gw)
	}
	return nil
}

// removeNetwork stops and undefines the network, if it is ours.
func (p *Provider) removeNetwork(ctx context.Context, c *conn) error {
	name := networkName(p.tb.Name)
	n, x, err := findNetwork(ctx, c, name)
	if isCode(err, golibvirt.ErrNoNetwork) {
		return nil
	}
	if err != nil {
		return err
	}
	if !isMarkedFor(networkMetadata(x), p.tb.Name, p.tb.Dir) {
		return nil // another's
	}
	err = c.call(ctx, lang.Textf("removing network %s", "네트워크 %s 제거", name), func(lv *golibvirt.Libvirt) error {
		active, err := lv.NetworkIsActive(n)
		if err != nil {
			return err
		}
		if active == 1 {
			if err := lv.NetworkDestroy(n); err != nil {
				return err
			}
		}
		return lv.NetworkUndefine(n)
	})
	if isCode(err, golibvirt.ErrNoNetwork) {
		return nil
	}
	return err
}
