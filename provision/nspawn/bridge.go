package nspawn

import (
	"encoding/hex"
	"errors"
	"net"

	"github.com/vishvananda/netlink"

	"noriter.dev/noriter/internal/lang"
)

// BridgeName is the bridge of a testbed in a folder: at most 15 characters, as
// the kernel wants it.
func BridgeName(testbed, dir string) string {
	if name := "nori-" + testbed; len(name) <= 15 {
		return name
	}
	return "nori-" + testbed[:4] + "-" + tag(dir, "")[:5]
}

func (p *Provider) bridge() string { return BridgeName(p.tb.Name, p.tb.Dir) }

// makeBridge makes the bridge with the subnet's first address.
func (p *Provider) makeBridge() error {
	link, err := netlink.LinkByName(p.bridge())
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = p.bridge()
		// An address of its own: else the bridge takes that of a port, and
		// changes it when a machine stops, to the others' confusion.
		mac, herr := hex.DecodeString("02" + p.tag("bridge")[:10])
		if herr != nil {
			return herr
		}
		attrs.HardwareAddr = net.HardwareAddr(mac)
		link = &netlink.Bridge{LinkAttrs: attrs}
		err = netlink.LinkAdd(link)
	}
	if err != nil {
		return err
	}
	if link.Type() != "bridge" {
		return lang.Errorf("there is a network card of this name that is no bridge but a %s",
			"이 이름의 네트워크 인터페이스가 이미 있는데, 브리지가 아니라 %s입니다", link.Type())
	}
	addr := p.tb.Subnet.Masked().Addr().Next()
	ip := &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(p.tb.Subnet.Bits(), 32)}
	if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: ip}); err != nil {
		return lang.Errorf("giving it the address %s: %w", "주소 %s 부여: %w", ip, err)
	}
	return netlink.LinkSetUp(link)
}

func (p *Provider) removeBridge() error { return removeLink(p.bridge()) }

// removeCard removes the host's end of the machine's card. The kernel does so
// too when the machine is gone, but later, and the next start would trip over it.
func (m *node) removeCard() error { return removeLink("vb-" + m.unit()) }

func removeLink(name string) error {
	link, err := netlink.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return lang.Errorf("looking for network card %s: %w", "네트워크 인터페이스 %s 찾기: %w", name, err)
	}
	if err := netlink.LinkDel(link); err != nil {
		if _, err2 := netlink.LinkByName(name); errors.As(err2, &missing) {
			return nil // it went by itself
		}
		return lang.Errorf("removing network card %s: %w", "네트워크 인터페이스 %s 제거: %w", name, err)
	}
	return nil
}
