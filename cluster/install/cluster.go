package install

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"noriter.dev/noriter/cluster/install/pki"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// The cluster's fixed addresses; a testbed's own subnet is chosen to stay
// clear of them.
const (
	PodCIDR      = "10.244.0.0/16"
	ServiceCIDR  = "10.96.0.0/16"
	KubernetesIP = "10.96.0.1"
	DNSAddress   = "10.96.0.10"
	Domain       = "cluster.local"
)

// Node is one machine of the cluster.
type Node struct {
	Name    string
	Address netip.Addr
	// Control says that the control plane runs here.
	Control bool
	// MemoryMiB is what the node reports as its capacity where the machine
	// itself can't tell (a container machine sees its host's memory); 0 means
	// that the machine knows.
	MemoryMiB int
	// CPUs is the same for its processors: 0 means that it may use all that it sees.
	CPUs int
}

// Cluster is what is to be installed, and where.
type Cluster struct {
	// Name is the testbed's name; the kubeconfig's context is named so.
	Name string
	// Nodes are all machines, the control node first.
	Nodes []Node
	// Only limits the steps that are done on all nodes to some of them, by
	// name; empty is all. The control node is spoken to in any case.
	Only []string
	// Subnet is the machines' network.
	Subnet netip.Prefix
	// Dir keeps the PKI and the kubeconfig on this host.
	Dir string
	// Traits say what the machines are like: their time limits follow.
	Traits machine.Traits
	// BinDir has nori-control and nori-node.
	BinDir string
	// Dial makes connections to the API server; nil is this host's network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// BaseImages, DNSImages and AppImages are archives of container images:
	// what every node needs, what the cluster's DNS needs, and what the labs
	// need; see cluster/images.
	BaseImages, DNSImages, AppImages string
	// SeedImages is the archive of what the registry has from the start.
	SeedImages string
	// PauseImage and DNSImage are the names of the two that the cluster
	// itself runs; IngressImage is that of the ingress controller.
	PauseImage, DNSImage, IngressImage string

	mu       sync.Mutex
	machines map[string]machine.Machine
	facts    map[string]facts
	bundle   *pki.Bundle
}

// SetMachine hands over the connection to a machine; the steps need all of them.
func (c *Cluster) SetMachine(m machine.Machine) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.machines == nil {
		c.machines = map[string]machine.Machine{}
	}
	c.machines[m.Name()] = m
}

// Machine is the connection to a node, or nil before there is one.
func (c *Cluster) Machine(name string) machine.Machine {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.machines[name]
}

// Close ends all connections.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, m := range c.machines {
		errs = append(errs, m.Close())
	}
	c.machines = nil
	return errors.Join(errs...)
}

// Control is the control node.
func (c *Cluster) Control() Node { return c.Nodes[0] }

// control is the connection to the control node.
func (c *Cluster) control() machine.Machine { return c.Machine(c.Nodes[0].Name) }

// ownNetworks are those of which no Service may claim an address.
func (c *Cluster) ownNetworks() []netip.Prefix {
	own := []netip.Prefix{netip.MustParsePrefix(ServiceCIDR), netip.MustParsePrefix(PodCIDR)}
	if c.Subnet.IsValid() {
		own = append([]netip.Prefix{c.Subnet.Masked()}, own...)
	}
	return own
}

// targets are the nodes that the steps are about.
func (c *Cluster) targets() []Node {
	if len(c.Only) == 0 {
		return c.Nodes
	}
	var nodes []Node
	for _, n := range c.Nodes {
		if slices.Contains(c.Only, n.Name) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// each does something on all targets at once, and tells of the first that failed.
func (c *Cluster) each(ctx context.Context, do func(context.Context, Node, machine.Machine) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range c.targets() {
		g.Go(func() error {
			m := c.Machine(n.Name)
			if m == nil {
				return lang.Errorf("no connection to %s", "%s에 연결되어 있지 않습니다", n.Name)
			}
			return do(ctx, n, m)
		})
	}
	return g.Wait()
}
