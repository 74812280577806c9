package nspawn

import (
	"encoding/hex"
	"errors"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/netns"
)

// BridgeName is the bridge of a testbed in a folder, and the card by which the host
// reaches it: at most 15 characters, as the kernel wants it.
func BridgeName(testbed, dir string) string {
	if name := "nori-" + testbed; len(name) <= 15 {
		return name
	}
	return "nori-" + testbed[:4] + "-" + tag(dir, "")[:5]
}

func (p *Provider) bridge() string { return BridgeName(p.tb.Name, p.tb.Dir) }

// hardwareAddr is a card's address: the same at each start, since neighbours
// remember it, and of the range that nobody is given (IEEE 802, the locally
// administered ones).
func (p *Provider) hardwareAddr(of string) (net.HardwareAddr, error) {
	b, err := hex.DecodeString("02" + p.tag(of)[:10])
	return net.HardwareAddr(b), err
}

// makeBridge makes the bridge, or finds it, and gives it its address. It runs inside
// the testbed's namespace.
func (p *Provider) makeBridge() (netlink.Link, error) {
	link, err := linkNamed(p.bridge())
	if err == nil && link == nil {
		link, err = p.addBridge()
	}
	if err != nil {
		return nil, err
	}
	if link.Type() != "bridge" {
		return nil, lang.Errorf("there is a network card of this name that is no bridge but a %s; `nori down` removes it with the testbed",
			"이 이름의 네트워크 인터페이스가 이미 있는데, 브리지가 아니라 %s입니다. `nori down`이 테스트베드와 함께 지웁니다", link.Type())
	}
	ip := &net.IPNet{IP: p.bridgeAddr().AsSlice(), Mask: net.CIDRMask(p.tb.Subnet.Bits(), 32)}
	if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: ip}); err != nil {
		return nil, lang.Errorf("giving it the address %s: %w", "주소 %s 부여: %w", ip, err)
	}
	return link, netlink.LinkSetUp(link)
}

func (p *Provider) addBridge() (netlink.Link, error) {
	mac, err := p.hardwareAddr("bridge")
	if err != nil {
		return nil, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = p.bridge()
	// An address of its own: else the bridge takes that of a port, and
	// changes it when a machine stops, to the others' confusion.
	attrs.HardwareAddr = mac
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		return nil, err
	}
	return netlink.LinkByName(p.bridge())
}

// hostAddr is where machines see the host: the subnet's first address, which is also
// their gateway.
func (p *Provider) hostAddr() netip.Addr { return p.tb.Subnet.Masked().Addr().Next() }

// bridgeAddr is the bridge's own: the host's where the host (or the process that
// stands for it) is in the namespace, else the subnet's last that a machine could have.
func (p *Provider) bridgeAddr() netip.Addr {
	if p.opts.Isolated {
		return p.hostAddr()
	}
	last := p.tb.Subnet.Masked().Addr().As4()
	for i, ones := range net.CIDRMask(p.tb.Subnet.Bits(), 32) {
		last[i] |= ^ones
	}
	return netip.AddrFrom4(last).Prev() // before the broadcast address
}

// linkNamed finds a network card; nil is none.
func linkNamed(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, lang.Errorf("looking for network card %s: %w", "네트워크 인터페이스 %s 찾기: %w", name, err)
	}
	return link, nil
}

// removeLink removes a network card, if it is there.
func removeLink(name string) error {
	link, err := linkNamed(name)
	if err != nil || link == nil {
		return err
	}
	if err := netlink.LinkDel(link); err != nil {
		if again, err2 := linkNamed(name); err2 == nil && again == nil {
			return nil // it went by itself
		}
		return lang.Errorf("removing network card %s: %w", "네트워크 인터페이스 %s 제거: %w", name, err)
	}
	return nil
}

// inside runs f with its thread in the testbed's namespace.
func (p *Provider) inside(f func() error) error { return netns.Do(p.tb.Name, f) }
