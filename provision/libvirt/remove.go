package libvirt

import (
	"context"
	"errors"
	"os"

	golibvirt "github.com/digitalocean/go-libvirt"

	"noriter.dev/noriter/internal/lang"
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
		return lang.Errorf("removing the driver's folder: %w", "드라이버 폴더 제거: %w", err)
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
	if err := each(ctx, doms, func(ctx context.Context, d testbedDomain) error { return removeDomain(ctx, c, d.dom) }); err != nil {
		return err
	}
	foreign, err := p.networkIsForeign(ctx, c)
	if err != nil {
		return err
	}
	if foreign {
		return nil
	}
	pool, err := lookupPool(ctx, c, poolName(p.tb.Name))
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
	_, x, err := findNetwork(ctx, c, networkName(p.tb.Name))
	if isCode(err, golibvirt.ErrNoNetwork) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return !isMarkedFor(networkMetadata(x), p.tb.Name, p.tb.Dir), nil
}

// removeIsolated ends the testbed's own libvirtd. As long as that answers it
// cleans up itself; then all its processes are ended, whatever it said.
func (p *Provider) removeIsolated(ctx context.Context) error {
	if _, err := os.Stat(p.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	procs, err := p.daemon.processes()
	if err != nil {
		return err
	}
	if len(procs) > 0 && len(inAnotherNetwork(procs)) == 0 && p.daemon.answers() {
		if c, err := p.connect(ctx); err == nil {
			// Its error would be of something that goes with it anyway.
			_ = p.removeAll(ctx, c)
		}
	}
	if ctx.Err() != nil {
		return lang.Errorf("removing the testbed's libvirtd: %w", "테스트베드의 libvirtd 제거: %w", context.Cause(ctx))
	}
	_ = p.Close() // the other end is about to be killed
	if err := p.daemon.stop(ctx); err != nil {
		return err
	}
	return removeBridge(BridgeName(p.tb.Name))
}
