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
			"remove that one, or give this one another name with --name",
			"이 NORI_HOME 아래에 없는 테스트베드 %q이(가) 이 호스트에서 실행 중입니다(프로세스 %d이(가) 그 네트워크 네임스페이스에 있습니다). "+
				"그것을 지우거나, --name으로 다른 이름을 쓰세요", want.Name, pids[0])
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
