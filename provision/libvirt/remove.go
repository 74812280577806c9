package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/vishvananda/netlink"
)

// Remove removes all of the testbed: machines, disks, snapshots, pool,
// network, an isolated testbed's libvirtd and the driver's folder. What is
// not there is no error, so that an interrupted removal is taken up again.
// The images sent to the host's libvirt stay for the next testbed.
func (p *Provider) Remove(ctx context.Context) error {
	if p.daemon != nil {
		if err := p.removeIsolated(ctx); err != nil {
			return err
		}
	} else {
		c, err := p.connect(ctx)
		if err != nil {
			return err
		}
		if err := p.removeAll(ctx, c); err != nil {
			return err
		}
		if err := p.Close(); err != nil {
			return err
		}
	}
	p.mu.Lock()
	p.files, p.virt = nil, ""
	p.mu.Unlock()
	if err := os.RemoveAll(p.dir); err != nil {
		return fmt.Errorf("removing the driver's folder: %w", err)
	}
	return nil
}

// removeAll removes what libvirt holds of the testbed, the network last:
// by its mark we still know, after an interruption, that the rest is ours.
func (p *Provider) removeAll(ctx context.Context, c *conn) error {
	doms, err := p.domains(ctx, c)
	if err != nil {
		return err
	}
	if err := each(ctx, doms, func(ctx context.Context, d ours) error { return removeDomain(ctx, c, d.dom) }); err != nil {
		return err
	}
	foreign, err := p.networkIsForeign(ctx, c)
	if err != nil {
		return err
	}
	if foreign {
		return nil
	}
	pool, err := ask(ctx, c, "looking for the testbed's pool", func(lv *golibvirt.Libvirt) (golibvirt.StoragePool, error) {
		return lv.StoragePoolLookupByName(PoolName(p.tb.Name))
	})
	switch {
	case isCode(err, golibvirt.ErrNoStoragePool):
	case err != nil:
		return err
	case p.checkPool(ctx, c, pool, p.poolPath()) == nil:
		if err := removePool(ctx, c, pool); err != nil {
			return err
		}
	}
	return p.removeNetwork(ctx, c)
}

// networkIsForeign says whether the network of our name is another's.
func (p *Provider) networkIsForeign(ctx context.Context, c *conn) (bool, error) {
	n, err := lookupNetwork(ctx, c, NetworkName(p.tb.Name))
	if isCode(err, golibvirt.ErrNoNetwork) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	x, err := readNetwork(ctx, c, n)
	if err != nil {
		return false, err
	}
	return x.Metadata == nil || p.own("network", x.Metadata.XML) != nil, nil
}

// removeIsolated ends the testbed's own libvirtd. As long as that answers it
// cleans up itself; then all its processes are ended, whatever it said.
func (p *Provider) removeIsolated(ctx context.Context) error {
	if _, err := os.Stat(p.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	procs, err := p.daemon.procs()
	if err != nil {
		return err
	}
	if len(procs) > 0 && len(elsewhere(procs)) == 0 && p.daemon.answers() {
		if c, err := p.connect(ctx); err == nil {
			// Its error would be of something that goes with it anyway.
			_ = p.removeAll(ctx, c)
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("removing the testbed's libvirtd: %w", context.Cause(ctx))
	}
	_ = p.Close() // the other end is about to be killed
	if err := p.daemon.stop(ctx); err != nil {
		return err
	}
	return removeBridge(BridgeName(p.tb.Name))
}

// removeBridge removes a bridge that a killed libvirtd left behind.
func removeBridge(name string) error {
	link, err := bridge(name)
	if err != nil || link == nil {
		return err
	}
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("removing bridge %s: %w", name, err)
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
		return fmt.Errorf("looking for what is plugged into bridge %s: %w", name, err)
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
		return nil, fmt.Errorf("looking for bridge %s: %w", name, err)
	case link.Type() != "bridge":
		return nil, nil
	}
	return link, nil
}
