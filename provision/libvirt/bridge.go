package libvirt

import (
	"errors"

	"github.com/vishvananda/netlink"

	"noriter.dev/noriter/internal/lang"
)

// removeBridge removes a bridge that a killed libvirtd left behind.
func removeBridge(name string) error {
	link, err := bridge(name)
	if err != nil || link == nil {
		return err
	}
	if err := netlink.LinkDel(link); err != nil {
		return lang.Errorf("removing bridge %s: %w", "브리지 %s 제거: %w", name, err)
	}
	return nil
}

// removeAbandonedBridge does the same for a network that is about to be started:
// where libvirtd, QEMU and dnsmasq were all killed at once the bridge stays, and
// libvirt takes its address for somebody else's. One that a machine is plugged
// into is not abandoned.
func removeAbandonedBridge(name string) error {
	link, err := bridge(name)
	if err != nil || link == nil {
		return err
	}
	links, err := netlink.LinkList()
	if err != nil {
		return lang.Errorf("looking for what is plugged into bridge %s: %w", "브리지 %s에 연결된 것 찾기: %w", name, err)
	}
	for _, l := range links {
		if l.Attrs().MasterIndex == link.Attrs().Index {
			return nil
		}
	}
	return removeBridge(name)
}

// bridge gives the bridge of this name; nil if there is none.
func bridge(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	var missing netlink.LinkNotFoundError
	switch {
	case errors.As(err, &missing):
		return nil, nil
	case err != nil:
		return nil, lang.Errorf("looking for bridge %s: %w", "브리지 %s 찾기: %w", name, err)
	case link.Type() != "bridge":
		return nil, nil
	}
	return link, nil
}
