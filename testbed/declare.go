package testbed

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/netns"
)

// isolatedSubnet serves every isolated testbed: they don't see each other.
var isolatedSubnet = netip.MustParsePrefix("10.77.0.0/24")

// Declare says what a testbed shall be and keeps it: a new one from the spec,
// an existing one as it was, with what was given now. It also makes the network
// namespace of an isolated testbed, into which the caller must go before Up.
func Declare(ctx context.Context, home Home, want Spec, given Given, o DeclareOptions) (*Testbed, error) {
	l, err := home.lock(ctx, want.Name, "up", o.Waiting)
	if err != nil {
		return nil, err
	}
	defer l.release()
	state, err := home.readState(want.Name)
	isNew := errors.Is(err, ErrNoTestbed)
	switch {
	case isNew && o.Again:
		l.remove()
		return nil, removed(want.Name)
	case isNew:
		if err = home.makeRoom(ctx, want.Name, o); err == nil {
			state, err = newState(ctx, home, want)
		}
	case err == nil:
		if state, err = merge(state, want, given); err == nil {
			err = (&Testbed{home: home, state: state}).canStay()
		}
	}
	if err != nil {
		if isNew {
			l.remove() // there is nothing that it locks
		}
		return nil, err
	}
	t := &Testbed{home: home, state: state}
	err = t.writeState()
	if err == nil {
		err = t.ensureNamespace()
	}
	if err != nil && isNew {
		err = errors.Join(err, t.forget(ctx, l)) // nothing of it is there but its declaration
	}
	return t, err
}

// DeclareOptions are what Declare tells meanwhile.
type DeclareOptions struct {
	// Again says that this command declared it before, and went into its namespace then.
	Again bool
	// Waiting is called when another process holds the testbed.
	Waiting func(holder string)
	// Cleared is called when something that was left of an earlier testbed of the name
	// was removed, with a list of it.
	Cleared func(what lang.Text)
}

// ensureNamespace makes the network namespace again where it has gone, as after
// a reboot of the host.
func (t *Testbed) ensureNamespace() error {
	if t.Namespace() == "" {
		return nil
	}
	if err := netns.Adopt(t.Namespace(), t.Dir()); err != nil {
		return err
	}
	return netns.Create(t.Namespace(), t.Dir())
}

// EnsureNamespace does so for a command on a testbed that was opened before: it may
// have been removed since, and then nothing of it must come back. Who has to wait
// meanwhile is told which command that is.
func (t *Testbed) EnsureNamespace(ctx context.Context, command string, waiting func(holder string)) error {
	if t.Namespace() == "" || netns.Exists(t.Namespace()) {
		return nil
	}
	l, err := t.home.lock(ctx, t.Name(), command, waiting)
	if err != nil {
		return err
	}
	defer l.release()
	if err := t.reread(l); err != nil {
		return err
	}
	return t.ensureNamespace()
}

// makeRoom removes what is left of an earlier testbed of the name, if that was nothing
// that a person could want: processes, mounts and empty folders. A network namespace of
// the name that is of another home is in the way.
func (h Home) makeRoom(ctx context.Context, name string, o DeclareOptions) error {
	left := h.Leftovers(ctx, name)
	if err := left.inTheWay(); err != nil {
		return err
	}
	if !left.Any() {
		return nil
	}
	if left.holdsFiles() {
		return lang.Errorf("there is no testbed %q, but something is left of one (%s): `%s` removes it",
			"테스트베드 %q은(는) 없지만 그 이름의 테스트베드에서 남은 것이 있습니다(%s). `%s` 명령으로 지우세요", name, left.What(), h.Command(name, "down"))
	}
	if err := left.remove(ctx); err != nil {
		return err
	}
	o.Cleared(left.What())
	return nil
}

func newState(ctx context.Context, home Home, want Spec) (State, error) {
	s := State{Spec: want, Created: time.Now().UTC().Truncate(time.Second), MadeBy: build.Version()}
	if want.Driver == Auto {
		name, why := chooseDriver(ctx, want)
		s.Spec.Driver, s.Why = name, why.String()
		if err := s.Spec.Validate(); err != nil { // now that the driver is known
			return s, &UsageError{err}
		}
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
		return s, lang.Errorf("choosing addresses for the machines: %w", "머신에 쓸 주소 고르기: %w", err)
	}
	return s, nil
}

// subnets are the ones that testbeds of this home use on the host's network.
func (h Home) subnets() ([]netip.Prefix, error) {
	names, err := h.Names()
	if err != nil {
		return nil, err
	}
	var out []netip.Prefix
	for _, n := range names {
		s, err := h.readState(n)
		if err != nil { // whatever else it has, it has these addresses
			s.Subnet, _ = netip.ParsePrefix(h.salvage(n, "subnet"))
		}
		if s.Subnet.IsValid() && !s.Spec.Isolated {
			out = append(out, s.Subnet)
		}
	}
	return out, nil
}
