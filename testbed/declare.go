package testbed

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"noriter.dev/noriter/provision/netns"
	"noriter.dev/noriter/provision/preflight"
)

// Given says which parts of a spec a person named, rather than leaving them to
// the defaults. A testbed that exists keeps the rest as it is.
type Given struct {
	Driver, Nodes, Isolated, Connect, Subnet, Memory, CPUs bool
}

// isolatedSubnet serves every isolated testbed: they don't see each other.
var isolatedSubnet = netip.MustParsePrefix("10.77.0.0/24")

// Declare settles what a testbed shall be and keeps it: a new one from the
// spec, an existing one as it was, with what was given now. It also makes the
// network namespace of an isolated testbed, into which the caller must go
// before Up.
func Declare(ctx context.Context, home Home, want Spec, given Given, waiting func(holder string)) (*Testbed, error) {
	l, err := home.lock(ctx, want.Name, "up", waiting)
	if err != nil {
		return nil, err
	}
	defer l.release()
	state, err := home.readState(want.Name)
	switch {
	case errors.Is(err, ErrNoTestbed):
		if err := clearNamespace(want); err != nil {
			return nil, err
		}
		state, err = newState(ctx, home, want)
	case err == nil:
		state, err = merge(state, want, given)
	}
	if err != nil {
		return nil, err
	}
	if err := home.writeState(want.Name, state); err != nil {
		return nil, err
	}
	t := &Testbed{home: home, state: state}
	return t, t.ensureNamespace()
}

// ensureNamespace makes the network namespace again where it has gone, as after
// a reboot of the host.
func (t *Testbed) ensureNamespace() error {
	if t.Namespace() == "" {
		return nil
	}
	return netns.Create(t.Namespace())
}

// clearNamespace removes a namespace of the name of a new testbed in which
// nobody is any more: it was left by one whose processes were all killed, with
// bridges and addresses of that time. One that is in use is another's, whose
// testbeds are in another folder.
func clearNamespace(want Spec) error {
	if !want.Isolated || !netns.Exists(want.Name) {
		return nil
	}
	pids, err := netns.Processes(want.Name)
	if err != nil {
		return err
	}
	if len(pids) > 0 {
		return usage("a testbed %q that is not below this NORI_HOME runs on this host (process %d is in its network namespace): "+
			"remove that one, or give this one another name with --name", want.Name, pids[0])
	}
	return netns.Delete(want.Name)
}

func newState(ctx context.Context, home Home, want Spec) (State, error) {
	s := State{Spec: want, Created: time.Now().UTC().Truncate(time.Second)}
	if want.Driver == Auto {
		s.Spec.Driver, s.Why = chooseDriver(ctx, want)
	}
	if s.Spec.Isolated {
		s.Subnet = isolatedSubnet
	}
	if want.Subnet != "" {
		s.Subnet = netip.MustParsePrefix(want.Subnet)
	}
	if s.Subnet.IsValid() {
		return s, nil
	}
	others, err := home.subnets()
	if err != nil {
		return s, err
	}
	if s.Subnet, err = netns.FreeSubnet(others); err != nil {
		return s, fmt.Errorf("choosing addresses for the machines: %w", err)
	}
	return s, nil
}

// chooseDriver is what auto means: virtual machines where they are quick.
func chooseDriver(ctx context.Context, want Spec) (driver, why string) {
	if want.Connect != "" {
		return Libvirt, "a libvirt connection was named"
	}
	works, why := preflight.KVM(ctx)
	if works {
		return Libvirt, why
	}
	return Nspawn, why
}

// subnets are the ones that testbeds of this home use on the host's network.
func (h Home) subnets() ([]netip.Prefix, error) {
	names, err := h.Names()
	if err != nil {
		return nil, err
	}
	var out []netip.Prefix
	for _, n := range names {
		if s, err := h.readState(n); err == nil && !s.Spec.Isolated {
			out = append(out, s.Subnet)
		}
	}
	return out, nil
}

// merge takes what was given now into what the testbed is already.
func merge(have State, want Spec, given Given) (State, error) {
	name := have.Spec.Name
	fixed := func(what string, is, asked any) error {
		return usage("testbed %q exists with %s %v; it can't become %v in place: `nori down --name %s` first", name, what, is, asked, name)
	}
	if given.Driver && want.Driver != Auto && want.Driver != have.Spec.Driver {
		return have, fixed("the driver", have.Spec.Driver, want.Driver)
	}
	if given.Isolated && want.Isolated != have.Spec.Isolated {
		return have, fixed("isolated", have.Spec.Isolated, want.Isolated)
	}
	if given.Connect && want.Connect != have.Spec.Connect {
		return have, fixed("the connection", have.Spec.Connect, want.Connect)
	}
	if given.Subnet && want.Subnet != have.Subnet.String() {
		return have, fixed("the subnet", have.Subnet, want.Subnet)
	}
	if given.Memory && want.Memory != have.Spec.Memory {
		return have, fixed("the memory", have.Spec.Memory, want.Memory)
	}
	if given.CPUs && want.CPUs != have.Spec.CPUs {
		return have, fixed("the processors", have.Spec.CPUs, want.CPUs)
	}
	if given.Nodes && want.Nodes != have.Spec.Nodes {
		if want.Nodes < have.Spec.Nodes {
			return have, usage("testbed %q has %d workers (%s); `nori node remove NODE --name %s` takes one away", name, have.Spec.Nodes, strings.Join(have.workers(), ", "), name)
		}
		for have.Spec.Nodes < want.Nodes {
			free, err := have.freeWorker()
			if err != nil {
				return have, err
			}
			have.setWorkers(append(have.workers(), free))
		}
	}
	return have, nil
}
