package nspawn

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
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
		return fmt.Errorf("there is a network card of this name that is no bridge but a %s", link.Type())
	}
	addr := p.tb.Subnet.Masked().Addr().Next()
	ip := &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(p.tb.Subnet.Bits(), 32)}
	if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: ip}); err != nil {
		return fmt.Errorf("giving it the address %s: %w", ip, err)
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
		return fmt.Errorf("looking for network card %s: %w", name, err)
	}
	if err := netlink.LinkDel(link); err != nil {
		if _, err2 := netlink.LinkByName(name); errors.As(err2, &missing) {
			return nil // it went by itself
		}
		return fmt.Errorf("removing network card %s: %w", name, err)
	}
	return nil
}

// hostModules are what machines use of the host's kernel; a container can't
// load them. Built-in ones, or a host without modprobe, are no failure: what
// is missing shows where it is used.
var hostModules = []string{"overlay", "bridge", "br_netfilter", "nf_tables", "nf_conntrack", "veth", "nft_fib_inet", "nft_numgen", "nft_masq", "nft_reject_inet"}

// inotifyInstances is enough for ten machines: the kernel's 128 are shared by
// all processes of root, in machines too.
const inotifyInstances = 4096

// prepareHost makes the kernel ready for machines, as far as it lets us.
func prepareHost(ctx context.Context) {
	_ = exec.CommandContext(ctx, "modprobe", append([]string{"--quiet", "--all"}, hostModules...)...).Run()
	const file = "/proc/sys/fs/inotify/max_user_instances"
	b, err := os.ReadFile(file)
	if err != nil {
		return
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && n < inotifyInstances {
		_ = os.WriteFile(file, []byte(strconv.Itoa(inotifyInstances)), 0)
	}
}
