package libvirt

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"libvirt.org/go/libvirtxml"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/provision/machine"
)

// libvirt calls a network active as long as nobody stopped it: also where the dnsmasq
// that it started for it has died, and machines get no address any more.

const (
	dhcpPort = 67
	// servingLimit is how long a dnsmasq may take to listen, servingPause how often that
	// is looked at.
	servingLimit = 5 * time.Second
	servingPause = 50 * time.Millisecond
)

// dhcpListens says whether a DHCP server listens on a bridge of this network namespace.
// known is false where that can't be seen.
func dhcpListens(bridgeName string) (listens, known bool) {
	link, err := bridge(bridgeName)
	if err != nil {
		return false, false
	}
	if link == nil {
		return false, true // and nothing could be plugged in
	}
	sockets, err := netlink.SocketDiagUDP(unix.AF_INET)
	if err != nil {
		return false, false
	}
	for _, s := range sockets {
		// dnsmasq serves one bridge and is bound to it.
		if s.ID.SourcePort == dhcpPort && s.ID.Interface == uint32(link.Attrs().Index) {
			return true, true
		}
	}
	return false, true
}

// serves says whether the testbed's network has a DHCP server, as far as that can be seen
// from here: a libvirt that is elsewhere is believed.
func (p *Provider) serves() bool {
	if p.daemon == nil && p.target != (target{uri: systemURI, socket: systemSocket}) && p.opts.listens == nil {
		return true
	}
	look := dhcpListens
	if p.opts.listens != nil {
		look = p.opts.listens
	}
	listens, known := look(BridgeName(p.tb.Name))
	return listens || !known
}

// ensureServing brings the DHCP server of a network back that libvirt calls active. The
// gentlest way comes first: it leaves the machines plugged in that run.
func (p *Provider) ensureServing(ctx context.Context, c *conn, n golibvirt.Network) error {
	if p.serves() {
		return nil
	}
	for _, w := range []wayToServe{
		// libvirt takes a dnsmasq for alive until init has seen that it is not.
		{p.nudge, true},
		{p.restartDaemon, false},
		{p.restartNetwork, false},
	} {
		served, err := p.tryToServe(ctx, c, n, w)
		if err != nil || served {
			return err
		}
		if c, err = p.connect(ctx); err != nil {
			return err
		}
	}
	return &machine.HostError{What: p.noDHCP(), Remedy: "systemctl restart libvirtd"}
}

// wayToServe is one way to have a DHCP server again.
type wayToServe struct {
	take func(context.Context, *conn, golibvirt.Network) error
	// often says that it helps to take it again.
	often bool
}

// tryToServe takes one way, and waits for a server.
func (p *Provider) tryToServe(ctx context.Context, c *conn, n golibvirt.Network, w wayToServe) (bool, error) {
	what := lang.Textf("a DHCP server on network %s", "네트워크 %s의 DHCP 서버", n.Name)
	err := w.take(ctx, c, n)
	if errors.Is(err, errNotHere) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	taken := time.Now()
	// The limit is the server's: what was asked of libvirt has those of its calls.
	return wait.Within(ctx, cmp.Or(p.opts.servingLimit, servingLimit), servingPause, what, func(context.Context) (bool, string, error) {
		if w.often && time.Since(taken) > time.Second {
			if err := w.take(ctx, c, n); err != nil {
				return false, "", err
			}
			taken = time.Now()
		}
		return p.serves(), "", nil
	})
}

// noDHCP says what is wrong with a network without DHCP server.
func (p *Provider) noDHCP() string {
	return lang.Textf("no DHCP server answers on the testbed's network %s", "테스트베드 네트워크 %s에 응답하는 DHCP 서버가 없습니다", networkName(p.tb.Name)).String()
}

// errNotHere is a way that can't be gone here.
var errNotHere = errors.New("not here")

// nudge has libvirt tell its dnsmasq of a lease, and take that back. libvirt starts
// another if it finds that there is none (networkRefreshDhcpDaemon in its
// src/network/bridge_driver.c).
func (p *Provider) nudge(ctx context.Context, c *conn, n golibvirt.Network) error {
	nobody := libvirtxml.NetworkDHCPHost{MAC: macAddress(p.tb.Name, "nobody"), IP: numbered(p.tb.Subnet, firstFree-1)}
	_, x, err := findNetwork(ctx, c, n.Name)
	if err != nil {
		return err
	}
	for _, h := range hosts(x) {
		if sameMAC(h.MAC, nobody.MAC) { // left by one that was killed
			if err := updateLease(ctx, c, n, golibvirt.NetworkUpdateCommandDelete, h); err != nil {
				return err
			}
		}
	}
	if err := updateLease(ctx, c, n, golibvirt.NetworkUpdateCommandAddLast, nobody); err != nil {
		return err
	}
	return updateLease(ctx, c, n, golibvirt.NetworkUpdateCommandDelete, nobody)
}

// restartDaemon starts the testbed's own libvirtd anew, which looks after all that it is
// to keep running, if there is any machine. The host's is not ours to restart.
func (p *Provider) restartDaemon(ctx context.Context, c *conn, _ golibvirt.Network) error {
	if p.daemon == nil {
		return errNotHere
	}
	if doms, err := p.domains(ctx, c); err != nil || !slices.ContainsFunc(doms, func(d testbedDomain) bool { return !off(d.state) }) {
		return errors.Join(err, errNotHere)
	}
	pid, err := p.daemon.pid()
	if err != nil {
		return err
	}
	_ = p.Close() // its other end is about to go
	if err := p.daemon.kill(ctx, []int{pid}); err != nil {
		return err
	}
	_, err = p.connect(ctx)
	return err
}

// restartNetwork stops the network and starts it again, if no machine of the testbed
// runs: it would be cut off.
func (p *Provider) restartNetwork(ctx context.Context, c *conn, n golibvirt.Network) error {
	doms, err := p.domains(ctx, c)
	if err != nil {
		return err
	}
	for _, d := range doms {
		if !off(d.state) {
			return errNotHere
		}
	}
	err = c.call(ctx, lang.Textf("stopping network %s", "네트워크 %s 중지", n.Name), func(lv *golibvirt.Libvirt) error { return lv.NetworkDestroy(n) })
	if err != nil && !isCode(err, golibvirt.ErrOperationInvalid) { // it may have stopped with libvirtd
		return err
	}
	return p.startNetwork(ctx, c, n)
}
