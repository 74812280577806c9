package testbed

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/netns"
	"noriter.dev/noriter/provision/remote"
)

// reaching says how a machine is connected to.
type reaching struct {
	// booting says that it may only just have been switched on, by this process: if it
	// ends, its console tells why.
	booting bool
	// bear is how long a machine that does not let us in is waited for at most; 0
	// leaves it to what is wrong.
	bear time.Duration
}

// Dial connects to a machine of the testbed, waiting as long as ctx lets it, and as
// long as it may still answer.
func (t *Testbed) Dial(ctx context.Context, name string) (*remote.Client, error) {
	return t.dial(ctx, name, reaching{})
}

func (t *Testbed) dial(ctx context.Context, name string, how reaching) (*remote.Client, error) {
	addr, ok := t.Address(name)
	if !ok {
		return nil, noMachine(t, name)
	}
	keys, err := t.sshKeys()
	if err != nil {
		return nil, err
	}
	traits := t.Traits()
	parcel := ""
	if traits.Parcel {
		parcel = machine.ParcelDir
	}
	look, done := t.looking()
	defer done()
	m, err := remote.Dial(ctx, remote.Target{
		Name: name, Address: addr, Signer: keys.signer, HostKey: keys.hostPublic[name], Via: t.Dialer(),
		Compress: traits.Emulated, Patience: traits.Patience(), Parcel: parcel,
		Booting: how.booting, Bear: how.bear,
		Check: func(ctx context.Context) error { return t.check(ctx, look, name, how.booting) },
	})
	return m, t.mended(err)
}

// connect is Dial for what goes on to work with the machine: its clock is right
// afterwards.
func (t *Testbed) connect(ctx context.Context, name string, how reaching) (*remote.Client, error) {
	m, err := t.dial(ctx, name, how)
	if err != nil {
		return nil, err
	}
	if err := t.clocks().set(ctx, m); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Patient is a time limit for the testbed's machines, of one for fast machines.
func (t *Testbed) Patient(limit time.Duration) time.Duration {
	return limit * time.Duration(t.Traits().Patience())
}

// lister tells of the machines.
type lister func(context.Context) ([]machine.Info, error)

// looking gives a lister that opens the driver when it is first needed, and what closes
// it.
func (t *Testbed) looking() (look lister, done func()) {
	var p provider
	look = func(ctx context.Context) ([]machine.Info, error) {
		if inside, err := netns.Inside(t.Namespace()); t.Namespace() != "" && (err != nil || !inside) {
			return nil, errOutside // whoever looks from there would take its processes for others
		}
		if p == nil {
			var err error
			if p, err = t.open(); err != nil {
				return nil, err
			}
		}
		return p.List(ctx)
	}
	return look, func() {
		if c, ok := p.(io.Closer); ok {
			_ = c.Close() // nothing was changed through it
		}
	}
}

var errOutside = lang.Errorf("outside of the testbed's network namespace", "테스트베드의 네트워크 네임스페이스 밖입니다")

// check looks at a machine that does not answer from outside: nil if it still may. What
// can't be looked at may, too.
func (t *Testbed) check(ctx context.Context, look lister, name string, booting bool) error {
	infos, err := look(ctx)
	if err != nil {
		return nil
	}
	m := statusOf(name, infos)
	if booting && m.State == machine.Stopped {
		return lang.Errorf("%s ended while it was starting (%s); its console says:\n%s", "%s이(가) 켜지다가 꺼졌습니다(%s). 콘솔 출력:\n%s", name, m.Detail, m.console)
	}
	s := Status{Name: t.Name(), Machines: []MachineStatus{m}}
	for _, f := range facts {
		if f.of == nil {
			continue
		}
		for _, text := range f.of(&s, &m) {
			return t.mendedBy(f, name, lang.Errorf("%v", "%v", text))
		}
	}
	return nil
}

// statusOf is what a driver's list says of one machine.
func statusOf(name string, infos []machine.Info) MachineStatus {
	// Nothing else than the driver has been asked yet: no fact is made of the rest.
	m := MachineStatus{Name: name, State: machine.Absent, SSH: "ok", Node: "Ready"}
	if i := slices.IndexFunc(infos, func(i machine.Info) bool { return i.Name == name }); i >= 0 {
		info := infos[i]
		m.State, m.Detail, m.Fault, m.console = info.State, info.Detail, info.Fault, info.Console
	}
	return m
}

// Asleep tells which machines are not running: an error that says so and what mends it;
// nil if all run, or if it can't be seen.
func (t *Testbed) Asleep(ctx context.Context) error {
	look, done := t.looking()
	defer done()
	for _, name := range t.Machines() {
		if err := t.check(ctx, look, name, false); err != nil {
			return err
		}
	}
	return nil
}

// apiConnectLimit is how long the API server's machine may take to take a connection
// before it is looked at.
const apiConnectLimit = time.Second

// DialAPI connects to the API server, as net.Dialer does. It says at once if the control
// node is off.
func (t *Testbed) DialAPI(ctx context.Context, network, address string) (net.Conn, error) {
	via := t.Dialer()
	if via == nil {
		via = (&net.Dialer{}).DialContext
	}
	brief, cancel := context.WithTimeout(ctx, t.Patient(apiConnectLimit))
	conn, err := via(brief, network, address)
	cancel()
	if err == nil {
		return conn, nil
	}
	look, done := t.looking()
	defer done()
	if asleep := t.check(ctx, look, ControlName, false); asleep != nil {
		return nil, asleep
	}
	if brief.Err() != nil && ctx.Err() == nil {
		return via(ctx, network, address)
	}
	return nil, err
}
