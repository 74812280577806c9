package libvirt

import (
	"context"
	"encoding/xml"
	"net"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// forever is a lease that does not run out: the address is the machine's own anyway, and
// one that stands still, or is slow, must not lose it.
var forever = &libvirtxml.NetworkDHCPLease{Expiry: 0}

// ensureLease gives a machine its fixed address and name. dnsmasq reads it
// while it runs; the machines' own names resolve there too.
func (p *Provider) ensureLease(ctx context.Context, c *conn, spec machine.Spec) error {
	if !p.tb.Subnet.Contains(spec.Address) {
		return lang.Errorf("machine %s: address %s is not in the testbed's subnet %s",
			"머신 %s: 주소 %s은(는) 테스트베드의 서브넷 %s에 속하지 않습니다", spec.Name, spec.Address, p.tb.Subnet)
	}
	p.network.Lock()
	defer p.network.Unlock()
	n, x, err := findNetwork(ctx, c, networkName(p.tb.Name))
	if isCode(err, golibvirt.ErrNoNetwork) {
		return lang.Errorf("%w: Prepare comes before Ensure", "%w: Ensure보다 Prepare가 먼저입니다", err)
	}
	if err != nil {
		return err
	}
	want := libvirtxml.NetworkDHCPHost{MAC: macAddress(p.tb.Name, spec.Name), Name: spec.Name, IP: spec.Address.String(), Lease: forever}
	for _, h := range hosts(x) {
		switch {
		case sameMAC(h.MAC, want.MAC) && h.Name == want.Name && h.IP == want.IP && h.Lease != nil && h.Lease.Expiry == 0:
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
	n, x, err := findNetwork(ctx, c, networkName(p.tb.Name))
	if isCode(err, golibvirt.ErrNoNetwork) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, h := range hosts(x) {
		if sameMAC(h.MAC, macAddress(p.tb.Name, name)) {
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
		return lang.Errorf("writing a lease: %w", "DHCP 임대 쓰기: %w", err)
	}
	return hostError(c.call(ctx, lang.Textf("changing the lease of %s", "%s의 DHCP 임대 변경", h.Name), func(lv *golibvirt.Libvirt) error {
		return lv.NetworkUpdateCompat(n, cmd, golibvirt.NetworkSectionIPDhcpHost, -1, string(b),
			golibvirt.NetworkUpdateAffectLive|golibvirt.NetworkUpdateAffectConfig)
	}))
}
