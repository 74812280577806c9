package testbed

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/image"
)

// Key is one thing that a person can say of a testbed: in a testbed file, where
// it has a flag also on the command line. All that is done with it follows from
// its row in keys: reading, flags, validation, and what becomes of a testbed
// that exists already.
type Key struct {
	// Name is the key in a testbed file, with dots: "memory.control".
	Name string
	// Flag is the flag of `nori up`; empty where there is none.
	Flag string
	Help lang.Text
	// Value points to the key's field: a *string, *int or *bool.
	Value func(*Spec) any
	// check says what is wrong with the value.
	check func(Spec) error
	// has says whether a testbed already is as asked for; nil compares the
	// field with the spec of the state.
	has func(have State, want Spec) bool
	// apply changes a testbed that exists; nil where that can't be, so that it
	// is refused.
	apply func(have *State, want Spec) error
}

// keys are the rows of a testbed file, in the order in which help and errors
// name them. The name of a testbed is not among them: it says which one is meant.
var keys = []Key{{
	Name: "driver", Flag: "driver", Help: DriverChoices(),
	Value: func(s *Spec) any { return &s.Driver },
	check: validateDriver,
	has:   func(have State, want Spec) bool { return want.Driver == Auto || want.Driver == have.Spec.Driver },
}, {
	Name: "nodes", Flag: "nodes", Help: lang.Text{EN: "number of workers, 1 to 9", KO: "워커 수, 1~9"},
	Value: func(s *Spec) any { return &s.Nodes },
	check: func(s Spec) error { return between("nodes", s.Nodes, 1, MaxNodes) },
	apply: changeWorkers,
}, {
	Name: "isolated", Flag: "isolated",
	Help:  lang.Text{EN: "put all of it into a network namespace of its own", KO: "전체를 전용 네트워크 네임스페이스에 넣기"},
	Value: func(s *Spec) any { return &s.Isolated },
}, {
	Name: "connect", Flag: "connect",
	Help: lang.Text{
		EN: "address of the service that makes the machines, for example qemu+ssh://HOST/system",
		KO: "머신을 만드는 서비스의 주소, 예: qemu+ssh://HOST/system"},
	Value: func(s *Spec) any { return &s.Connect },
}, {
	Name: "subnet", Flag: "subnet",
	Help:  lang.Text{EN: "a private /24 for the machines (default: one that is free)", KO: "머신에 쓸 사설 /24 (기본값: 쓰지 않는 것 가운데 하나)"},
	Value: func(s *Spec) any { return &s.Subnet },
	check: func(s Spec) error { return validateSubnet(s.Subnet) },
	// Without one, any will do.
	has: func(have State, want Spec) bool { return want.Subnet == "" || want.Subnet == have.Subnet.String() },
}, {
	Name: "memory.control", Flag: "control-memory",
	Help:  lang.Text{EN: "memory of the control node in MiB", KO: "컨트롤 플레인 노드 메모리(MiB)"},
	Value: func(s *Spec) any { return &s.Memory.Control },
	check: func(s Spec) error { return atLeast("memory.control", s.Memory.Control, minControlMiB, " MiB") },
}, {
	Name: "memory.node", Flag: "node-memory",
	Help:  lang.Text{EN: "memory of each worker in MiB", KO: "워커 메모리(MiB)"},
	Value: func(s *Spec) any { return &s.Memory.Node },
	check: func(s Spec) error { return atLeast("memory.node", s.Memory.Node, minNodeMiB, " MiB") },
}, {
	Name: "cpus.control", Flag: "control-cpus",
	Help: lang.Text{
		EN: "processors of the control node (default: 2 of a virtual machine, all of the host's for a container machine; an emulated machine always has one)",
		KO: "컨트롤 플레인 노드의 프로세서 수 (기본값: 가상 머신은 2, 컨테이너 머신은 호스트의 전부. 에뮬레이션된 머신은 항상 하나)"},
	Value: func(s *Spec) any { return &s.CPUs.Control },
	check: func(s Spec) error { return atLeast("cpus.control", s.CPUs.Control, 0, "") },
	has: func(have State, want Spec) bool {
		return want.CPUs.Control == have.Spec.CPUs.Control || have.choice(want.CPUs).Control == have.cpus().Control
	},
}, {
	Name: "cpus.node", Flag: "node-cpus",
	Help: lang.Text{
		EN: "processors of each worker (default: 1 of a virtual machine, all of the host's for a container machine; an emulated machine always has one)",
		KO: "워커의 프로세서 수 (기본값: 가상 머신은 1, 컨테이너 머신은 호스트의 전부. 에뮬레이션된 머신은 항상 하나)"},
	Value: func(s *Spec) any { return &s.CPUs.Node },
	check: func(s Spec) error { return atLeast("cpus.node", s.CPUs.Node, 0, "") },
	has: func(have State, want Spec) bool {
		return want.CPUs.Node == have.Spec.CPUs.Node || have.choice(want.CPUs).Node == have.cpus().Node
	},
}, {
	Name: "disk.control", Flag: "control-disk",
	Help: lang.Text{
		EN: "disk of the control node in GiB, reserved on the host at once; only for container machines, which otherwise have no limit",
		KO: "컨트롤 플레인 노드의 디스크(GiB). 호스트에서 바로 확보합니다. 컨테이너 머신에만 쓰며, 없으면 제한이 없습니다"},
	Value: func(s *Spec) any { return &s.Disk.Control },
	check: func(s Spec) error { return validateDisk(s, "disk.control", s.Disk.Control) },
}, {
	Name: "disk.node", Flag: "node-disk",
	Help:  lang.Text{EN: "disk of each worker in GiB, as that of the control node", KO: "워커마다의 디스크(GiB). 컨트롤 플레인 노드의 디스크와 같습니다"},
	Value: func(s *Spec) any { return &s.Disk.Node },
	check: func(s Spec) error { return validateDisk(s, "disk.node", s.Disk.Node) },
}}

// Keys are all rows.
func Keys() []Key { return slices.Clone(keys) }

// Get is the key's value in a spec.
func (k Key) Get(s Spec) any {
	switch v := k.Value(&s).(type) {
	case *string:
		return *v
	case *int:
		return *v
	case *bool:
		return *v
	}
	panic("testbed: key " + k.Name + " has a type that no code knows") // a row's mistake, found by the first test
}

// Copy takes the key's value from one spec into another.
func (k Key) Copy(to *Spec, from Spec) {
	switch v := k.Value(to).(type) {
	case *string:
		*v = *k.Value(&from).(*string)
	case *int:
		*v = *k.Value(&from).(*int)
	case *bool:
		*v = *k.Value(&from).(*bool)
	}
}

// Given are the names of the keys that a person gave, by flags or in a file. A
// testbed that exists keeps the rest as it is.
type Given []string

// merge takes what was given now into what the testbed is already: each key is
// there, is applied, or is refused.
func merge(have State, want Spec, given Given) (State, error) {
	for _, k := range keys {
		if !slices.Contains(given, k.Name) || k.is(have, want) {
			continue
		}
		if k.apply == nil {
			return have, usage("testbed %q exists with %s %v; it can't become %v in place: `nori down --name %[1]s` first",
				"테스트베드 %q의 %s 값은 이미 %v입니다. 그 자리에서 %v(으)로 바꿀 수 없습니다. 먼저 `nori down --name %[1]s`로 지우세요",
				have.Spec.Name, k.Name, k.shown(have), k.Get(want))
		}
		if err := k.apply(&have, want); err != nil {
			return have, err
		}
	}
	return have, nil
}

func (k Key) is(have State, want Spec) bool {
	if k.has != nil {
		return k.has(have, want)
	}
	return k.Get(have.Spec) == k.Get(want)
}

// shown is the value that a testbed has, in words.
func (k Key) shown(have State) any {
	if k.Name == "subnet" && have.Subnet.IsValid() {
		return have.Subnet
	}
	if v := k.Get(have.Spec); v != "" && v != 0 {
		return v
	}
	return lang.T("unset", "없음")
}

// changeWorkers adds workers; taking one away has a command of its own, since
// pods are on it.
func changeWorkers(have *State, want Spec) error {
	if want.Nodes < have.Spec.Nodes {
		return usage("testbed %q has %d workers (%s); `nori node remove NODE --name %[1]s` takes one away",
			"테스트베드 %q에는 워커가 %d대 있습니다 (%s). `nori node remove NODE --name %[1]s`로 하나씩 뺍니다",
			have.Spec.Name, have.Spec.Nodes, strings.Join(have.workers(), ", "))
	}
	for have.Spec.Nodes < want.Nodes {
		free, err := have.freeWorker()
		if err != nil {
			return err
		}
		have.setWorkers(append(slices.Clone(have.workers()), free))
	}
	return nil
}

// minDiskGiB has room for what a machine writes from the start, and a snapshot of it.
const minDiskGiB = 2

// validateDisk wants the size to mean something, and to be enough.
func validateDisk(s Spec, key string, gib int) error {
	if gib == 0 {
		return nil
	}
	if d, ok := driverNamed(s.Driver); ok && d.traits.OwnKernel {
		return lang.Errorf("%s: goes with container machines; each virtual one has a disk of its own, of %d GiB: leave it out",
			"%s: 컨테이너 머신에만 씁니다. 가상 머신마다 %d GiB의 디스크가 따로 있으니 빼세요", key, image.DiskGiB)
	}
	return atLeast(key, gib, minDiskGiB, " GiB")
}

// Validate reports everything that is wrong with a spec.
func (s Spec) Validate() error {
	errs := []error{ValidateName(s.Name)}
	for _, k := range keys {
		if k.check != nil {
			errs = append(errs, k.check(s))
		}
	}
	return errors.Join(errs...)
}

func between(key string, got, least, most int) error {
	if got < least || got > most {
		return lang.Errorf("%s: %d is not between %d and %d", "%s: %d은(는) %d와(과) %d 사이가 아닙니다", key, got, least, most)
	}
	return nil
}

func atLeast(key string, got, least int, unit string) error {
	if got < least {
		return lang.Errorf("%s: %d%s is too little; at least %d%[3]s is needed", "%s: %d%s은(는) 너무 적습니다. %d%[3]s 이상이어야 합니다", key, got, unit, least)
	}
	return nil
}

func validateSubnet(s string) error {
	if s == "" {
		return nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return lang.Errorf("subnet: %q is not of the form 10.77.3.0/24", "subnet: %q은(는) 10.77.3.0/24와 같은 꼴이 아닙니다", s)
	}
	if !p.Addr().Is4() || p.Bits() != 24 || p != p.Masked() || !p.Addr().IsPrivate() {
		return lang.Errorf("subnet: %q must be a private IPv4 /24 such as 10.77.3.0/24", "subnet: %q은(는) 10.77.3.0/24와 같은 사설 IPv4 /24여야 합니다", s)
	}
	for _, taken := range []string{install.PodCIDR, install.ServiceCIDR} {
		if netip.MustParsePrefix(taken).Overlaps(p) {
			return lang.Errorf("subnet: %s lies in %s, which the cluster uses inside", "subnet: %s은(는) 클러스터가 안에서 쓰는 %s에 들어 있습니다", s, taken)
		}
	}
	return nil
}
