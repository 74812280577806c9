package libvirt

import (
	"context"
	"errors"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"

	"noriter.dev/noriter/internal/lang"
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
	switch n, x, err := findNetwork(ctx, c, networkName(testbed)); {
	case err == nil:
		if !isMarkedFor(networkMetadata(x), testbed, dir) {
			found = append(found, lang.T("libvirt network ", "libvirt 네트워크 ")+n.Name)
		}
	case !isCode(err, golibvirt.ErrNoNetwork):
		return nil, err
	}
	all, err := listDomains(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, dom := range all {
		if !strings.HasPrefix(dom.Name, domainName(testbed, "")) {
			continue
		}
		x, err := readDomain(ctx, c, dom)
		if err != nil {
			return nil, err
		}
		// A longer name of another testbed's begins like ours.
		if m, ok := marked(domainMetadata(x)); ok && m.Name != testbed {
			continue
		}
		if !isMarkedFor(domainMetadata(x), testbed, dir) {
			found = append(found, lang.T("libvirt domain ", "libvirt 도메인 ")+dom.Name)
		}
	}
	return found, nil
}
