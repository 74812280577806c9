package libvirt

import (
	"context"
	"encoding/xml"
	"fmt"
	"net"
	"net/netip"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"noriter.dev/noriter/provision/machine"
)

// mark is that element. Dir is in it because two people on one host may both
// have a testbed of one name.
type mark struct {
	XMLName xml.Name `xml:"https://noriter.dev/xmlns/testbed/1 testbed"`
	Name    string   `xml:"name"`
	Machine string   `xml:"machine,omitempty"`
	Dir     string   `xml:"dir"`
	Address string   `xml:"address,omitempty"`
}

func (m mark) xml() (string, error) {
	b, err := xml.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("writing the testbed's mark: %w", err)
	}
	return string(b), nil
}

// marked reads the mark in a piece of metadata; ok is false if it has none.
func marked(metadata string) (m mark, ok bool) {
	err := xml.Unmarshal([]byte("<m>"+metadata+"</m>"), &struct {
		Mark *mark `xml:"https://noriter.dev/xmlns/testbed/1 testbed"`
	}{&m})
	return m, err == nil && m.Name != ""
}

// own says in words whose a marked thing is; nil means this testbed's.
func (p *Provider) own(what, metadata string) error {
	m, ok := marked(metadata)
	switch {
	case !ok:
		return fmt.Errorf("libvirt has a %s that Noriter did not make: rename it, or give the testbed another name (--name)", what)
	case m.Name != p.tb.Name || m.Dir != p.tb.Dir:
		return fmt.Errorf("libvirt has a %s of the testbed in %s: remove that one, or give this testbed another name (--name)", what, m.Dir)
	}
	return nil
}

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
		Name:     NetworkName(tb.Name),
		UUID:     uuid("network", tb.Name, ""),
		Metadata: &libvirtxml.NetworkMetadata{XML: md},
		Forward:  &libvirtxml.NetworkForward{Mode: "nat"},
		Bridge:   &libvirtxml.NetworkBridge{Name: BridgeName(tb.Name), STP: "off", Delay: "0"},
		MAC:      &libvirtxml.NetworkMAC{Address: MAC(tb.Name, "")},
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
	name := NetworkName(p.tb.Name)
	if !p.tb.Subnet.Addr().Is4() || p.tb.Subnet.Bits() > 24 {
		return fmt.Errorf("testbed %s: %q is not an IPv4 subnet of 24 bits or fewer", p.tb.Name, p.tb.Subnet)
	}
	n, err := lookupNetwork(ctx, c, name)
	switch {
	case isCode(err, golibvirt.ErrNoNetwork):
		text, err := networkXML(p.tb)
		if err != nil {
			return err
		}
		n, err = ask(ctx, c, "defining network "+name, func(lv *golibvirt.Libvirt) (golibvirt.Network, error) {
			return lv.NetworkDefineXML(text)
		})
		if err != nil {
			return hostError(err)
		}
	case err != nil:
		return err
	default:
		if err := p.checkNetwork(ctx, c, n); err != nil {
			return err
		}
	}
	active, err := ask(ctx, c, "the state of network "+name, func(lv *golibvirt.Libvirt) (int32, error) { return lv.NetworkIsActive(n) })
	if err != nil || active == 1 {
		return err
	}
	if p.daemon != nil {
		if err := removeAbandonedBridge(BridgeName(p.tb.Name)); err != nil {
			return err
		}
	}
	if err := c.call(ctx, "starting network "+name, func(lv *golibvirt.Libvirt) error { return lv.NetworkCreate(n) }); err != nil {
		return hostError(fmt.Errorf("starting network %s: %w", name, err))
	}
	return nil
}

func lookupNetwork(ctx context.Context, c *conn, name string) (golibvirt.Network, error) {
	return ask(ctx, c, "looking for network "+name, func(lv *golibvirt.Libvirt) (golibvirt.Network, error) {
		return lv.NetworkLookupByName(name)
	})
}

func readNetwork(ctx context.Context, c *conn, n golibvirt.Network) (libvirtxml.Network, error) {
	var x libvirtxml.Network
	text, err := ask(ctx, c, "reading network "+n.Name, func(lv *golibvirt.Libvirt) (string, error) {
		return lv.NetworkGetXMLDesc(n, 0)
	})
	if err != nil {
		return x, err
	}
	if err := x.Unmarshal(text); err != nil {
		return x, fmt.Errorf("reading network %s: %w", n.Name, err)
	}
	return x, nil
}

// checkNetwork makes sure that a network is ours and has our subnet.
func (p *Provider) checkNetwork(ctx context.Context, c *conn, n golibvirt.Network) error {
	x, err := readNetwork(ctx, c, n)
	if err != nil {
		return err
	}
	md := ""
	if x.Metadata != nil {
		md = x.Metadata.XML
	}
	if err := p.own("network "+n.Name, md); err != nil {
		return err
	}
	if gw := gateway(p.tb.Subnet).String(); len(x.IPs) == 0 || x.IPs[0].Address != gw {
		return fmt.Errorf("network %s does not have the address %s: the testbed's subnet was changed; remove the testbed first", n.Name, gw)
	}
	return nil
}

// ensureLease gives a machine its fixed address and name. dnsmasq reads it
// while it runs; the machines' own names resolve there too.
func (p *Provider) ensureLease(ctx context.Context, c *conn, spec machine.Spec) error {
	if !p.tb.Subnet.Contains(spec.Address) {
		return fmt.Errorf("machine %s: address %s is not in the testbed's subnet %s", spec.Name, spec.Address, p.tb.Subnet)
	}
	p.network.Lock()
	defer p.network.Unlock()
	n, err := lookupNetwork(ctx, c, NetworkName(p.tb.Name))
	if isCode(err, golibvirt.ErrNoNetwork) {
		return fmt.Errorf("%w: Prepare comes before Ensure", err)
	}
	if err != nil {
		return err
	}
	x, err := readNetwork(ctx, c, n)
	if err != nil {
		return err
	}
	want := libvirtxml.NetworkDHCPHost{MAC: MAC(p.tb.Name, spec.Name), Name: spec.Name, IP: spec.Address.String()}
	for _, h := range hosts(x) {
		switch {
		case sameMAC(h.MAC, want.MAC) && h.Name == want.Name && h.IP == want.IP:
			return nil
		case sameMAC(h.MAC, want.MAC), h.IP == want.IP, h.Name == want.Name:
			if err := updateLease(ctx, c, n, golibvirt.NetworkUpdateCommandDelete, h); err != nil {
				return err
			}
		}
	}
	return updateLease(ctx, c, n, golibvirt.NetworkUpdateCommandAddLast, want)
}

// removeLease takes a machine's lease away again.
func (p *Provider) removeLease(ctx context.Context, c *conn, name string) error {
	p.network.Lock()
	defer p.network.Unlock()
	n, err := lookupNetwork(ctx, c, NetworkName(p.tb.Name))
	if isCode(err, golibvirt.ErrNoNetwork) {
		return nil
	}
	if err != nil {
		return err
	}
	x, err := readNetwork(ctx, c, n)
	if err != nil {
		return err
	}
	for _, h := range hosts(x) {
		if sameMAC(h.MAC, MAC(p.tb.Name, name)) {
			return updateLease(ctx, c, n, golibvirt.NetworkUpdateCommandDelete, h)
		}
	}
	return nil
}

func hosts(x libvirtxml.Network) []libvirtxml.NetworkDHCPHost {
	if len(x.IPs) == 0 || x.IPs[0].DHCP == nil {
		return nil
	}
	return x.IPs[0].DHCP.Hosts
}

func sameMAC(a, b string) bool {
	x, err1 := net.ParseMAC(a)
	y, err2 := net.ParseMAC(b)
	return err1 == nil && err2 == nil && x.String() == y.String()
}

func updateLease(ctx context.Context, c *conn, n golibvirt.Network, cmd golibvirt.NetworkUpdateCommand, h libvirtxml.NetworkDHCPHost) error {
	b, err := xml.Marshal(h)
	if err != nil {
		return fmt.Errorf("writing a lease: %w", err)
	}
	err = c.call(ctx, "changing the lease of "+h.Name, func(lv *golibvirt.Libvirt) error {
		return lv.NetworkUpdateCompat(n, cmd, golibvirt.NetworkSectionIPDhcpHost, -1, string(b),
			golibvirt.NetworkUpdateAffectLive|golibvirt.NetworkUpdateAffectConfig)
	})
	if err != nil {
		return hostError(fmt.Errorf("changing the lease of %s: %w", h.Name, err))
	}
	return nil
}

// removeNetwork stops and forgets the network, if it is ours.
func (p *Provider) removeNetwork(ctx context.Context, c *conn) error {
	name := NetworkName(p.tb.Name)
	n, err := lookupNetwork(ctx, c, name)
	if isCode(err, golibvirt.ErrNoNetwork) {
		return nil
	}
	if err != nil {
		return err
	}
	x, err := readNetwork(ctx, c, n)
	if err != nil {
		return err
	}
	if x.Metadata == nil || p.own("network", x.Metadata.XML) != nil {
		return nil // another's
	}
	err = c.call(ctx, "removing network "+name, func(lv *golibvirt.Libvirt) error {
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
	if err != nil && !isCode(err, golibvirt.ErrNoNetwork) {
		return fmt.Errorf("removing network %s: %w", name, err)
	}
	return nil
}
