package libvirt

import (
	"context"
	"errors"
	"fmt"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// Probe connects to a libvirt and hangs up again. Its errors are those of
// Prepare: *machine.HostError where the host lacks something.
func Probe(ctx context.Context, connect string) (err error) {
	t, err := parseConnect(connect)
	if err != nil {
		return err
	}
	c, err := dial(ctx, t)
	if err != nil {
		return err
	}
	return c.close()
}

// IsRemote says whether a libvirt address is of another host.
func IsRemote(connect string) bool {
	t, err := parseConnect(connect)
	return err == nil && t.remote()
}

// Clashes lists what a libvirt holds under a testbed's names that is not the
// testbed's own: its domains and its network. It changes nothing.
func Clashes(ctx context.Context, connect, testbed, dir string) (found []string, err error) {
	t, err := parseConnect(connect)
	if err != nil {
		return nil, err
	}
	c, err := dial(ctx, t)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	own := func(metadata string) bool {
		m, ok := marked(metadata)
		return ok && m.Name == testbed && m.Dir == dir
	}
	switch n, err := lookupNetwork(ctx, c, NetworkName(testbed)); {
	case err == nil:
		x, err := readNetwork(ctx, c, n)
		if err != nil {
			return nil, err
		}
		if x.Metadata == nil || !own(x.Metadata.XML) {
			found = append(found, "libvirt network "+n.Name)
		}
	case !isCode(err, golibvirt.ErrNoNetwork):
		return nil, err
	}
	all, err := ask(ctx, c, "the list of domains", func(lv *golibvirt.Libvirt) ([]golibvirt.Domain, error) {
		d, _, err := lv.ConnectListAllDomains(1, golibvirt.ConnectListDomainsActive|golibvirt.ConnectListDomainsInactive)
		return d, err
	})
	if err != nil {
		return nil, err
	}
	for _, dom := range all {
		if !strings.HasPrefix(dom.Name, DomainName(testbed, "")) {
			continue
		}
		x, err := readDomain(ctx, c, dom)
		if err != nil {
			return nil, fmt.Errorf("looking at %s: %w", dom.Name, err)
		}
		// A longer name of another testbed's begins like ours.
		if m, ok := marked(metadataOf(x)); ok && m.Name != testbed {
			continue
		}
		if !own(metadataOf(x)) {
			found = append(found, "libvirt domain "+dom.Name)
		}
	}
	return found, nil
}
