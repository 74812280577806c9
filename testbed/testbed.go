package testbed

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/libvirt"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/netns"
	"noriter.dev/noriter/provision/nspawn"
	"noriter.dev/noriter/provision/remote"
)

// Testbed is one playground on this host. For an isolated one the process must
// be inside its network namespace before machines are touched; see Namespace.
type Testbed struct {
	home  Home
	state State
	keys  keys
	took  time.Duration
	// packed is what new virtual machines get on a disk, known when the images are.
	packed []image.ParcelItem
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

// Kubeconfig is the administrator's kubeconfig.
func (t *Testbed) Kubeconfig() string { return filepath.Join(t.Dir(), "pki", "admin.conf") }

// Address is a machine's address.
func (t *Testbed) Address(name string) (netip.Addr, bool) {
	if !slices.Contains(t.Machines(), name) {
		return netip.Addr{}, false
	}
	return address(t.state.Subnet, name), true
}

// Machines are the names of the machines, the control node first.
func (t *Testbed) Machines() []string { return t.state.machineNames() }

// driver is what the testbed needs of a driver: machines, and a way back.
type driver interface {
	machine.Provider
	machine.Snapshotter
}

// driver makes the provider of the testbed's machines.
func (t *Testbed) driver(img image.Image) (driver, error) {
	keys, err := t.loadKeys()
	if err != nil {
		return nil, err
	}
	tb := machine.Testbed{
		Name: t.Name(), Dir: t.Dir(), Subnet: t.state.Subnet,
		AuthorizedKey: keys.authorized, HostKeys: keys.hostPEM,
	}
	if t.state.Spec.Driver == Nspawn {
		return nspawn.New(tb, img.Root), nil
	}
	return libvirt.New(tb, libvirt.Image{Disk: img.Disk, Kernel: img.Kernel, Initrd: img.Initrd}, libvirt.Options{
		Connect: t.state.Spec.Connect, Isolated: t.state.Spec.Isolated, CacheDir: t.home.Cache(), Parcel: t.ensureParcel,
	})
}

// image is the machine image that the testbed's machines were made from.
func (t *Testbed) image() (image.Image, error) {
	return image.Open(t.home.Cache(), t.state.ImageID)
}

// specs are the machines as the driver makes them.
func (t *Testbed) specs() []machine.Spec {
	var specs []machine.Spec
	for _, n := range t.nodes() {
		cpus := t.state.Spec.CPUs.Node
		if n.Control {
			cpus = t.state.Spec.CPUs.Control
		}
		specs = append(specs, machine.Spec{Name: n.Name, Address: n.Address, MemoryMiB: n.MemoryMiB, CPUs: cpus})
	}
	return specs
}

// nodes are the machines as the cluster sees them.
func (t *Testbed) nodes() []install.Node {
	var nodes []install.Node
	for _, name := range t.Machines() {
		n := install.Node{Name: name, Address: address(t.state.Subnet, name), MemoryMiB: t.state.Spec.Memory.Node}
		if name == ControlName {
			n.Control, n.MemoryMiB = true, t.state.Spec.Memory.Control
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// Dial connects to a machine of the testbed, waiting as long as ctx lets it.
func (t *Testbed) Dial(ctx context.Context, name string) (*remote.Client, error) {
	addr, ok := t.Address(name)
	if !ok {
		return nil, usage("testbed %q has no machine %q; it has %v", t.Name(), name, t.Machines())
	}
	keys, err := t.loadKeys()
	if err != nil {
		return nil, err
	}
	return remote.Dial(ctx, remote.Target{
		Name: name, Address: addr, Signer: keys.signer, HostKey: keys.hostPublic[name],
		Compress: t.state.Spec.Driver == Libvirt, Parcel: t.parcelDir(), Via: t.Dialer(),
	})
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

// keys are the testbed's SSH keys.
type keys struct {
	signer     ssh.Signer
	authorized string
	hostPEM    map[string][]byte
	hostPublic map[string]ssh.PublicKey
}

// loadKeys reads the key pair and the host keys, and makes those that are not
// there yet.
func (t *Testbed) loadKeys() (keys, error) {
	if t.keys.signer != nil {
		return t.keys, nil
	}
	k := keys{hostPEM: map[string][]byte{}, hostPublic: map[string]ssh.PublicKey{}}
	pem, err := ensureKey(filepath.Join(t.Dir(), "ssh", "id_ed25519"))
	if err != nil {
		return k, err
	}
	if k.signer, err = ssh.ParsePrivateKey(pem); err != nil {
		return k, fmt.Errorf("reading the testbed's SSH key: %w", err)
	}
	k.authorized = string(ssh.MarshalAuthorizedKey(k.signer.PublicKey()))
	// Host keys for as many machines as there may ever be, so that they are
	// known before any of them first boots.
	for _, name := range (State{Spec: Spec{Nodes: MaxNodes}}).machineNames() {
		pem, err := ensureKey(filepath.Join(t.Dir(), "ssh", "host_"+name))
		if err != nil {
			return k, err
		}
		signer, err := ssh.ParsePrivateKey(pem)
		if err != nil {
			return k, fmt.Errorf("reading the host key of %s: %w", name, err)
		}
		k.hostPEM[name], k.hostPublic[name] = pem, signer.PublicKey()
	}
	t.keys = k
	return k, nil
}

func ensureKey(path string) ([]byte, error) {
	if pem, err := os.ReadFile(path); err == nil {
		return pem, nil
	}
	pair, err := remote.NewKeyPair("noriter " + filepath.Base(path))
	if err != nil {
		return nil, fmt.Errorf("making an SSH key: %w", err)
	}
	if err := writeFile(path, pair.Private, 0o600); err != nil {
		return nil, fmt.Errorf("keeping an SSH key: %w", err)
	}
	return pair.Private, nil
}
