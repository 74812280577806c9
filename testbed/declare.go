package testbed

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/netns"
)

// isolatedSubnet serves every isolated testbed: they don't see each other.
var isolatedSubnet = netip.MustParsePrefix("10.77.0.0/24")

// Declare says what a testbed shall be and keeps it: a new one from the spec,
// an existing one as it was, with what was given now. It also makes the network
// namespace of an isolated testbed, into which the caller must go before Up.
func Declare(ctx context.Context, home Home, want Spec, given Given, waiting func(holder string)) (*Testbed, error) {
	l, err := home.lock(ctx, want.Name, "up", waiting)
	if err != nil {
		return nil, err
	}
	defer l.release()
	state, err := home.readState(want.Name)
	switch {
	case errors.Is(err, ErrNoTestbed):
		if err := clearNamespace(home, want); err != nil {
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
	return t, t.EnsureNamespace()
}

// EnsureNamespace makes the network namespace of an isolated testbed again where it
// has gone, as after a reboot of the host.
func (t *Testbed) EnsureNamespace() error {
	if t.Namespace() == "" {
		return nil
	}
	if err := netns.Adopt(t.Namespace(), t.Dir()); err != nil {
		return err
	}
	return netns.Create(t.Namespace(), t.Dir())
}

// clearNamespace removes what is left of an isolated testbed's network namespace before
// a new one of its name is made: of one whose processes were all killed, with bridges and
// addresses of that time. One that is not of this folder is left alone.
func clearNamespace(home Home, want Spec) error {
	if !want.Isolated || !netns.Exists(want.Name) {
		return nil
	}
	mark, err := netns.Mark(want.Name)
	if err != nil || mark != netns.MarkOf(home.testbed(want.Name)) {
		return err
	}
	pids, err := netns.Processes(want.Name)
	if err != nil {
		return err
	}
	if len(pids) > 0 {
		return usage("processes of an earlier testbed %q still run (%d is one): `nori down --name %[1]s` ends them",
			"예전 테스트베드 %q의 프로세스가 아직 실행 중입니다(그중 하나는 %d). `nori down --name %[1]s`로 끝내세요", want.Name, pids[0])
	}
	return netns.Delete(want.Name)
}

func newState(ctx context.Context, home Home, want Spec) (State, error) {
	s := State{Spec: want, Created: time.Now().UTC().Truncate(time.Second)}
	if want.Driver == Auto {
		name, why := chooseDriver(ctx, want)
		s.Spec.Driver, s.Why = name, why.String()
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
		if s, err := h.readState(n); err == nil && !s.Spec.Isolated {
			out = append(out, s.Subnet)
		}
	}
	return out, nil
}
