package nspawn

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/netns"
)

// The machines' network is the testbed's own: their bridge lives in a network
// namespace, so that no firewall, bridge or route of the host has a say between them.
// One pair of cards links it to the host:
//
//	host                         │ namespace nori-NAME
//	nori-NAME, the subnet's .1 ──│── host ── routes ── bridge, the subnet's .254 ── machines
//
// The host may call in, nothing calls out (see wall.go). An isolated testbed has no
// such pair; what stands for the host is inside, and the bridge has the address .1.

// outside is the name of the namespace's card that leads to the host.
const outside = "host"

// makeNetwork makes all of the testbed's network, or what is missing of it.
func (p *Provider) makeNetwork(ctx context.Context) error {
	if err := p.takeOver(ctx); err != nil {
		return err
	}
	if err := netns.Create(p.tb.Name, p.tb.Dir); err != nil {
		return err
	}
	err := p.inside(func() error {
		bridge, err := p.makeBridge()
		if err != nil {
			return lang.Errorf("making the bridge %s: %w", "브리지 %s 만들기: %w", p.bridge(), err)
		}
		return p.plugCards(bridge)
	})
	if err != nil || p.opts.Isolated {
		return err
	}
	if err := p.makeLink(); err != nil {
		return lang.Errorf("linking the testbed's network to this host: %w", "테스트베드의 네트워크를 이 호스트에 잇기: %w", err)
	}
	if err := p.inside(p.makeWall); err != nil {
		return lang.Errorf("closing the testbed's network: %w", "테스트베드의 네트워크 막기: %w", err)
	}
	return p.checkRoute()
}

// removeNetwork removes what makeNetwork has made, and nothing of others' that has the
// same names. The namespace of an isolated testbed is whoever's who made it.
func (p *Provider) removeNetwork() error {
	if err := p.removeOldBridge(); err != nil {
		return err
	}
	if p.opts.Isolated {
		if !netns.Exists(p.tb.Name) {
			return nil
		}
		return p.inside(func() error { return removeLink(p.bridge()) })
	}
	link, err := linkNamed(p.bridge())
	if err == nil && link != nil && link.Attrs().Alias == p.mark() {
		err = removeLink(p.bridge())
	}
	if err != nil {
		return err
	}
	mark, err := p.namespaceMark()
	if err != nil || mark != p.mark() {
		return err
	}
	return netns.Delete(p.tb.Name)
}

func (p *Provider) mark() string { return netns.MarkOf(p.tb.Dir) }

// namespaceMark is "" where there is no namespace.
func (p *Provider) namespaceMark() (string, error) {
	if !netns.Exists(p.tb.Name) {
		return "", nil
	}
	return netns.Mark(p.tb.Name)
}

// plugCards puts running machines' cards back into the bridge, and gives a machine that
// has lost its card another. Whoever removed bridge or card did not end the machine.
func (p *Provider) plugCards(bridge netlink.Link) error {
	names, err := p.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		m := p.machine(name)
		init, err := m.init()
		if err != nil {
			return err
		}
		if init == 0 {
			continue
		}
		if err := m.plugCard(init, bridge); err != nil {
			return lang.Errorf("plugging the network card of %s: %w", "%s의 네트워크 카드 꽂기: %w", name, err)
		}
	}
	return nil
}

// card is the host's end of the machine's card, as systemd-nspawn names it.
func (m *node) card() string { return "vb-" + m.unit() }

// plugCard plugs the card of a machine whose first process is init.
func (m *node) plugCard(init int, bridge netlink.Link) error {
	link, err := linkNamed(m.card())
	if err != nil {
		return err
	}
	if link == nil {
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", init))
		if err != nil {
			return nil // it has ended
		}
		defer ns.Close()
		if link, err = addPair(m.card(), "host0", netlink.NsFd(ns.Fd()), nil, nil); err != nil {
			return err
		}
	}
	if link.Attrs().MasterIndex != bridge.Attrs().Index {
		if err := netlink.LinkSetMaster(link, bridge); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(link)
}

// removeCard removes the host's end of the machine's card. The kernel does so
// too when the machine is gone, but later, and the next start would trip over it.
func (m *node) removeCard() error {
	if !netns.Exists(m.p.tb.Name) {
		return nil
	}
	return m.p.inside(func() error { return removeLink(m.card()) })
}

// addPair makes a pair of cards, the other end in another namespace. Without addresses
// the kernel chooses them.
func addPair(name, otherName string, other netlink.NsFd, mac, otherMAC net.HardwareAddr) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = name, mac
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerHardwareAddr, veth.PeerNamespace = otherName, otherMAC, other
	if err := netlink.LinkAdd(veth); err != nil {
		return nil, lang.Errorf("making the cards %s and %s: %w", "네트워크 카드 %s와(과) %s 만들기: %w", name, otherName, err)
	}
	return netlink.LinkByName(name)
}

// takeOver ends the network of older versions, whose bridge was on the host: machines
// that hang on it are switched off, and come up in the new one.
func (p *Provider) takeOver(ctx context.Context) error {
	old, err := p.oldBridge()
	if err != nil || old == nil {
		return err
	}
	names, err := p.names()
	if err != nil {
		return err
	}
	err = each(names, func(name string) error {
		m := p.machine(name)
		if err := m.stop(ctx); err != nil {
			return err
		}
		return removeLink(m.card()) // on the host, too
	})
	if err != nil {
		return err
	}
	return p.removeOldBridge()
}

func (p *Provider) removeOldBridge() error {
	old, err := p.oldBridge()
	if err != nil || old == nil {
		return err
	}
	return removeLink(p.bridge())
}

// oldBridge is the bridge that an older version has made on the host for this testbed:
// its address says that it was not somebody else.
func (p *Provider) oldBridge() (netlink.Link, error) {
	if p.opts.Isolated {
		return nil, nil
	}
	link, err := linkNamed(p.bridge())
	if err != nil || link == nil || link.Type() != "bridge" {
		return nil, err
	}
	mac, err := p.hardwareAddr("bridge")
	if err != nil || link.Attrs().HardwareAddr.String() != mac.String() {
		return nil, err
	}
	return link, nil
}
