// Package testbed is a declared playground: its spec, its life from nothing to
// a cluster that is ready and back to nothing, its snapshots and resets.
//
// What a person may say of a testbed is the table in keys.go, the ways to have
// machines are the table in drivers.go. Each run of steps on a testbed is a
// struct and a file: upRun, resetRun, joinRun, leaveRun.
package testbed

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/netns"
	"noriter.dev/noriter/provision/remote"
)

// Testbed is one playground on this host. For an isolated one the process must
// be inside its network namespace before machines are touched; see Namespace.
type Testbed struct {
	home  Home
	state State
	ssh   *sshKeys
	took  time.Duration
	// visit is held while somebody has the testbed open in this process: a file that
	// nobody refers to any more would be closed.
	visit *lock
	// packed is what new virtual machines get on a disk, known when the images are.
	packed []image.ParcelItem
	// bundle is the folder of the container images, known then, too.
	bundle string
}

// Open opens a testbed that was made before.
func Open(home Home, name string) (*Testbed, error) {
	state, err := home.readState(name)
	if err != nil {
		return nil, err
	}
	return &Testbed{home: home, state: state}, nil
}

// Name is the testbed's name.
func (t *Testbed) Name() string { return t.state.Spec.Name }

// State is what is remembered of it.
func (t *Testbed) State() State { return t.state }

// Namespace is the network namespace of an isolated testbed, or empty.
func (t *Testbed) Namespace() string {
	if !t.state.Spec.Isolated {
		return ""
	}
	return t.Name()
}

// Home is where this host's testbeds and learners' progress are kept.
func (t *Testbed) Home() Home { return t.home }

// Dir is the testbed's own folder.
func (t *Testbed) Dir() string { return t.home.testbed(t.Name()) }

// KeyFolders are those of its folders that hold keys and nothing else.
var KeyFolders = []string{"ssh", "pki"}

// StepLog is where the steps of the last run on it are written down.
func (t *Testbed) StepLog() string { return filepath.Join(t.Dir(), "steps.log") }

// Kubeconfig is the administrator's kubeconfig.
func (t *Testbed) Kubeconfig() string { return filepath.Join(t.Dir(), "pki", "admin.conf") }

// KubectlCache is where kubectl keeps what kinds of objects there are. Reset
// empties it, since kinds may be gone afterwards.
func (t *Testbed) KubectlCache() string { return filepath.Join(t.Dir(), "kubectl-cache") }

// Direct are the addresses that no proxy leads to: the testbed's own network.
func (t *Testbed) Direct() []string {
	direct := []string{t.state.Subnet.String()}
	for _, name := range t.Machines() { // for programs that don't take networks
		direct = append(direct, address(t.state.Subnet, name).String())
	}
	return direct
}

// Address is a machine's address.
func (t *Testbed) Address(name string) (netip.Addr, bool) {
	if !slices.Contains(t.Machines(), name) {
		return netip.Addr{}, false
	}
	return address(t.state.Subnet, name), true
}

// Machines are the names of the machines, the control node first.
func (t *Testbed) Machines() []string { return t.state.machineNames() }

// newProvider makes the provider of the testbed's machines.
func (t *Testbed) newProvider(img image.Image) (provider, error) {
	keys, err := t.sshKeys()
	if err != nil {
		return nil, err
	}
	return t.providerWith(keys, img)
}

func (t *Testbed) providerWith(keys *sshKeys, img image.Image) (provider, error) {
	d, err := t.driver()
	if err != nil {
		return nil, err
	}
	return d.provider(t, machine.Testbed{
		Name: t.Name(), Dir: t.Dir(), Subnet: t.state.Subnet,
		AuthorizedKey: keys.authorized, HostKeys: keys.hostPEM,
	}, img)
}

// open makes the provider of a testbed that exists.
func (t *Testbed) open() (provider, error) {
	// Of one that was removed meanwhile nothing must come back.
	if _, err := t.home.readState(t.Name()); err != nil {
		return nil, err
	}
	if err := t.ensureNamespace(); err != nil {
		return nil, err
	}
	img, err := t.image()
	if err != nil {
		// Without its image a testbed can still be looked at and removed.
		img = image.Image{ID: t.state.ImageID, Root: filepath.Join(t.home.Cache(), "gone")}
	}
	keys, err := t.sshKeys()
	if err != nil {
		keys = &sshKeys{} // the same holds without its keys: whoever dials gets the error
	}
	return t.providerWith(keys, img)
}

// List tells of the machines.
func (t *Testbed) List(ctx context.Context) ([]machine.Info, error) {
	p, err := t.open()
	if err != nil {
		return nil, err
	}
	return p.List(ctx)
}

// image is the machine image that the testbed's machines were made from.
func (t *Testbed) image() (image.Image, error) {
	return image.Open(t.imageOptions(), t.state.ImageID)
}

// specs are the machines as the driver makes them.
func (t *Testbed) specs() []machine.Spec {
	var specs []machine.Spec
	for _, n := range t.nodes() {
		specs = append(specs, machine.Spec{Name: n.Name, Address: n.Address, MemoryMiB: n.MemoryMiB, CPUs: n.CPUs, DiskGiB: t.diskGiB(n.Name)})
	}
	return specs
}

// diskGiB is the size of a machine's disk as a person gave it; 0 is the driver's own, or
// as much as the host has.
func (t *Testbed) diskGiB(machine string) int {
	if machine == ControlName {
		return t.state.Spec.Disk.Control
	}
	return t.state.Spec.Disk.Node
}

// sharesDisk says that what a machine writes is the host's space.
func (t *Testbed) sharesDisk(machine string) bool {
	return !t.Traits().OwnKernel && t.diskGiB(machine) == 0
}

// nodes are the machines as the cluster sees them.
func (t *Testbed) nodes() []install.Node {
	var nodes []install.Node
	cpus := t.state.cpus()
	for _, name := range t.Machines() {
		n := install.Node{Name: name, Address: address(t.state.Subnet, name), MemoryMiB: t.state.Spec.Memory.Node, CPUs: cpus.Node}
		if name == ControlName {
			n.Control, n.MemoryMiB, n.CPUs = true, t.state.Spec.Memory.Control, cpus.Control
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func noMachine(t *Testbed, name string) error {
	return usage("testbed %q has no machine %q; it has %v", "테스트베드 %q에는 머신 %q이(가) 없습니다. 있는 머신: %v", t.Name(), name, t.Machines())
}

// Dialer is how machines are reached that are on another host, behind a libvirt
// connection over SSH, or in a network namespace that this process is outside of;
// nil where they are in this process's own network.
func (t *Testbed) Dialer() remote.Dialer {
	if inside, err := netns.Inside(t.Name()); t.Namespace() != "" && err == nil && !inside {
		return func(ctx context.Context, network, address string) (net.Conn, error) {
			return netns.Dial(ctx, t.Namespace(), network, address)
		}
	}
	u, err := url.Parse(t.state.Spec.Connect)
	if err != nil || !strings.HasSuffix(u.Scheme, "+ssh") {
		return nil
	}
	return remote.Through((&url.URL{Scheme: "ssh", User: u.User, Host: u.Host}).String())
}
