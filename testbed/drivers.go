package testbed

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/kvm"
	"noriter.dev/noriter/provision/libvirt"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/nspawn"
	"noriter.dev/noriter/provision/preflight"
)

// Auto leaves the choice of a driver to the host: see chooseDriver.
const Auto = "auto"

// provider is what a testbed needs of a driver's machines: to make them, and to
// go back.
type provider interface {
	machine.Provider
	machine.Snapshotter
}

// driver is one way to have machines, and all that a testbed has to know of it.
// What nothing but the driver's package and its row may know is its name: all
// other code asks for its traits.
type driver struct {
	// name is what --driver and a testbed file say.
	name string
	// what says what the machines are, in two or three words.
	what lang.Text
	// expect says why auto chose it (the %s), and what a person may expect.
	expect lang.Text
	traits machine.Traits
	// cpus are what machines get where nobody says; 0 is all of the host's.
	cpus CPUs
	// connects says that `connect:` means something to it.
	connects bool
	// suits says whether auto takes it on this host, and why or why not.
	suits func(ctx context.Context, want Spec) (bool, lang.Text)
	// host is what is checked on the host.
	host preflight.Driver
	// lessMemory is what `nori up` takes that needs less memory.
	lessMemory string
	// machines and snapshots are the folders, in a testbed's own, that have them;
	// elsewhere is one outside of it, nil where there is none.
	machines, snapshots []string
	elsewhere           func(t *Testbed) string
	// provider makes the machines of a testbed from an image.
	provider func(t *Testbed, of machine.Testbed, from image.Image) (provider, error)
	// leftovers lists what testbeds have on this host, and where `connect:` leads to,
	// whether their state is known or not.
	leftovers func(ctx context.Context, look machine.Look, connects []string) ([]machine.Leftover, error)
}

// drivers are the ways to have machines, in the order in which auto tries them;
// the last one suits every host.
var drivers = []driver{{
	name: "libvirt",
	what: lang.Text{EN: "virtual machines", KO: "가상 머신"},
	expect: lang.Text{
		EN: "virtual machines (%s). Each has a kernel of its own; booting takes some seconds.",
		KO: "가상 머신 (%s). 저마다 커널이 있고 부팅에 몇 초 걸립니다."},
	traits: libvirt.Traits, cpus: CPUs{Control: 2, Node: 1}, connects: true, suits: suitsVirtual,
	host: libvirt.Preflight(libvirt.ThisHost()), lessMemory: "--driver nspawn   # or --nodes 1",
	machines: []string{"libvirt"},
	elsewhere: func(t *Testbed) string {
		if t.state.Spec.Isolated || t.state.Spec.Connect != "" {
			return ""
		}
		return libvirt.HostFolder(t.Name())
	},
	provider: func(t *Testbed, of machine.Testbed, from image.Image) (provider, error) {
		return libvirt.New(of, libvirt.Image{Disk: from.Disk, Kernel: from.Kernel, Initrd: from.Initrd}, libvirt.Options{
			Connect: t.state.Spec.Connect, Isolated: t.state.Spec.Isolated, CacheDir: t.home.Cache(), Parcel: t.ensureParcel,
		})
	},
	leftovers: func(ctx context.Context, _ machine.Look, connects []string) ([]machine.Leftover, error) {
		return libvirt.Leftovers(ctx, connects...)
	},
}, {
	name: "nspawn",
	what: lang.Text{EN: "container machines", KO: "컨테이너 머신"},
	expect: lang.Text{
		EN: "container machines, because virtual ones would be emulated here (%s). They share this host's kernel and start in about a second.",
		KO: "컨테이너 머신. 여기서는 가상 머신이 에뮬레이션되기 때문입니다 (%s). 호스트 커널을 함께 쓰고 약 1초 만에 켜집니다."},
	traits: nspawn.Traits,
	suits:  func(context.Context, Spec) (bool, lang.Text) { return true, lang.Text{} },
	host:   nspawn.Preflight(nspawn.ThisHost()), lessMemory: "--nodes 1   # or end other programs",
	machines: []string{"nspawn/machines"}, snapshots: []string{"nspawn/snapshots", "nspawn/layers"},
	provider: func(t *Testbed, of machine.Testbed, from image.Image) (provider, error) {
		return nspawn.New(of, from.Root, nspawn.Options{Isolated: t.state.Spec.Isolated}), nil
	},
	leftovers: func(_ context.Context, look machine.Look, _ []string) ([]machine.Leftover, error) {
		return nspawn.Leftovers(look)
	},
}}

// suitsVirtual takes virtual machines where they are quick, or on the host that
// was named.
func suitsVirtual(ctx context.Context, want Spec) (bool, lang.Text) {
	if want.Connect != "" {
		return true, lang.Text{EN: "a connection was named", KO: "연결을 지정했습니다"}
	}
	return kvm.Works(ctx)
}

// chooseDriver is what auto means: the first driver that suits this host. The
// reason is that of the choice, or why the one before was not chosen.
func chooseDriver(ctx context.Context, want Spec) (name string, why lang.Text) {
	for _, d := range drivers {
		suits, reason := d.suits(ctx, want)
		if reason != (lang.Text{}) {
			why = reason
		}
		if suits {
			return d.name, why
		}
	}
	return drivers[len(drivers)-1].name, why // the last one suits every host
}

// driverNamed finds a row; ok is false for auto and for names that there are not.
func driverNamed(name string) (d driver, ok bool) {
	i := slices.IndexFunc(drivers, func(d driver) bool { return d.name == name })
	if i < 0 {
		return driver{}, false
	}
	return drivers[i], true
}

// driverNames are what --driver may be.
func driverNames() []string {
	names := []string{Auto}
	for _, d := range drivers {
		names = append(names, d.name)
	}
	return names
}

// DriverChoices lists them for people: "auto, x (virtual machines) or y (…)".
func DriverChoices() lang.Text {
	var en, ko []string
	for _, d := range drivers {
		en, ko = append(en, d.name+" ("+d.what.EN+")"), append(ko, d.name+"("+d.what.KO+")")
	}
	last := len(en) - 1
	return lang.Text{
		EN: strings.Join(append([]string{Auto}, en[:last]...), ", ") + " or " + en[last],
		KO: strings.Join(append([]string{Auto}, ko[:last]...), ", ") + " 또는 " + ko[last],
	}
}

func validateDriver(s Spec) error {
	d, ok := driverNamed(s.Driver)
	switch {
	case s.Driver != Auto && !ok:
		return lang.Errorf("driver: %q is none of %s%v", "driver: %q은(는) %s 중에 없습니다%v",
			s.Driver, strings.Join(driverNames(), ", "), strict.DidYouMean(s.Driver, driverNames()))
	case s.Connect == "":
		return nil
	case ok && !d.connects:
		return lang.Errorf("connect: goes with the driver %s, not with %s", "connect: 드라이버 %s에만 쓰고 %s에는 쓰지 않습니다",
			strings.Join(connecting(), ", "), d.name)
	case s.Isolated:
		return lang.Errorf("connect: an isolated testbed has a %s of its own; leave one of the two out",
			"connect: 격리된 테스트베드에는 전용 %s이(가) 있습니다. 둘 중 하나를 빼세요", strings.Join(connecting(), ", "))
	}
	return nil
}

// connecting are the drivers that take `connect:`.
func connecting() (names []string) {
	for _, d := range drivers {
		if d.connects {
			names = append(names, d.name)
		}
	}
	return names
}

// NeedsRoot says whether `nori up` has to be root for a driver; what auto will
// choose is not known yet, so it has to.
func NeedsRoot(driverName string) bool {
	d, ok := driverNamed(driverName)
	return !ok || d.traits.Root
}

// Rootless are the drivers that make machines for those who are not root.
func Rootless() (names []string) {
	for _, d := range drivers {
		if !d.traits.Root {
			names = append(names, d.name)
		}
	}
	return names
}

// driver is the row of the testbed's driver. A state that names another is of
// another version: its machines are beyond this one's reach.
func (t *Testbed) driver() (driver, error) {
	d, ok := driverNamed(t.state.Spec.Driver)
	if !ok {
		return d, unknownDriver(t.Name(), t.state.Spec.Driver)
	}
	return d, nil
}

func unknownDriver(testbed, name string) error {
	return lang.Errorf("testbed %q has the driver %q, which this version of nori does not know: use the nori that made it",
		"테스트베드 %q의 드라이버 %q을(를) 이 버전의 nori는 모릅니다. 테스트베드를 만든 nori를 쓰세요", testbed, name)
}

// Traits say what the testbed's machines are like.
func (t *Testbed) Traits() machine.Traits {
	d, _ := driverNamed(t.state.Spec.Driver) // without one there are no machines to speak of
	traits := d.traits
	if e := t.state.Emulated; e != nil {
		traits.Emulated = *e
	} else {
		// Never asked: whoever waits too long loses less than whoever gives up.
		traits.Emulated = traits.OwnKernel
	}
	return traits
}

// Emulates says that the machines are emulated on this host, or would be.
func (t *Testbed) Emulates(ctx context.Context) bool {
	if e := t.state.Emulated; e != nil {
		return *e
	}
	d, ok := driverNamed(t.state.Spec.Driver)
	if !ok || !d.traits.OwnKernel {
		return false
	}
	suits, _ := d.suits(ctx, t.state.Spec)
	return !suits
}

// Explain says why auto chose the testbed's driver, and what to expect of it;
// empty where a person chose.
func (t *Testbed) Explain() string {
	d, ok := driverNamed(t.state.Spec.Driver)
	if why := t.state.Why; ok && why != "" {
		return strings.Replace(d.expect.String(), "%s", why, 1)
	}
	return ""
}

// PreflightFor is what a host is checked for without a testbed: one of the
// default size, by one driver or by any.
func PreflightFor(home Home, driverName, testbed string) (preflight.Options, error) {
	spec := DefaultSpec()
	spec.Driver = driverName
	if err := validateDriver(spec); err != nil {
		return preflight.Options{}, &UsageError{err}
	}
	return preflight.Options{
		Drivers: hostDrivers(driverName, home.Command(cmp.Or(testbed, spec.Name), "up")), StateDir: home.Dir, Testbed: testbed, MachinesMiB: spec.sizes(),
		ImageStocked: imageStocked(),
	}, nil
}

// hostDrivers are what the host is checked for: one driver, or all for auto. The
// command that brings the testbed up is for remedies.
func hostDrivers(name, up string) (out []preflight.Driver) {
	for _, d := range drivers {
		if name == Auto || name == d.name {
			d.host.LessMemory = up + " " + d.lessMemory
			out = append(out, d.host)
		}
	}
	return out
}
