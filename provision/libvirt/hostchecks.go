package libvirt

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/kvm"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/preflight"
)

// Probes are what the host checks ask beside preflight.Host; tests put their
// own in their place.
type Probes struct {
	KVM     func(ctx context.Context) (bool, lang.Text)
	Connect func(ctx context.Context, connect string) error
	Clashes func(ctx context.Context, connect, testbed, dir string) ([]string, error)
	// ClosedChain names a chain of the host's firewall that may keep machines apart.
	ClosedChain func() (string, error)
	// QEMUUser looks for whom the QEMUs of an isolated testbed run as.
	QEMUUser func() error
}

// ThisHost asks the real things.
func ThisHost() Probes {
	user := func() error {
		_, err := hostQEMUUser()
		return err
	}
	return Probes{KVM: kvm.Works, Connect: Probe, Clashes: Clashes, ClosedChain: closedChain, QEMUUser: user}
}

// Preflight is what a host is checked for before virtual machines are made.
func Preflight(probes Probes) preflight.Driver {
	return preflight.Driver{
		Traits: Traits,
		Remote: IsRemote,
		NeedMiB: func(ctx context.Context, _ *preflight.Host, machinesMiB []int) int {
			works, _ := probes.KVM(ctx)
			return NeedMiB(!works, machinesMiB)
		},
		Bridge: func(testbed, _ string) string { return BridgeName(testbed) },
		Clashes: func(ctx context.Context, o preflight.Options) ([]string, error) {
			if o.Isolated {
				return nil, nil // it has a libvirtd of its own
			}
			return probes.Clashes(ctx, o.Connect, o.Testbed, o.Dir)
		},
		Checks: func(p preflight.Prober) []preflight.Check {
			return hostChecks{p, probes, IsRemote(p.Options.Connect)}.all()
		},
	}
}

// overheadMiB is what QEMU takes beside a machine's memory.
const overheadMiB = 160

// NeedMiB is the memory that virtual machines of these sizes take of the host;
// emulated ones also keep the code that was translated for them.
func NeedMiB(emulated bool, machinesMiB []int) int {
	need := 0
	for _, size := range machinesMiB {
		need += size + overheadMiB
		if emulated {
			need += TranslationMiB(size)
		}
	}
	return need
}

// hostChecks are the checks that only virtual machines need.
type hostChecks struct {
	preflight.Prober
	probes Probes
	remote bool
}

func (p hostChecks) all() []preflight.Check {
	// Without KVM virtual machines are only slow.
	virtualization := p.Check("kvm", lang.Text{EN: "hardware virtualization (KVM)", KO: "하드웨어 가상화 (KVM)"}, p.kvm)
	virtualization.SlowOnly = true
	checks := []preflight.Check{p.Check("guests", lang.Text{EN: "virtual machines for this processor", KO: "이 프로세서용 가상 머신"}, p.guests), virtualization}
	if !p.remote {
		checks = append(checks,
			p.Check("qemu", lang.Text{EN: "QEMU", KO: "QEMU"}, p.qemu),
			p.Check("dhcp", lang.Text{EN: "DHCP for the machines (dnsmasq)", KO: "머신을 위한 DHCP (dnsmasq)"}, p.dhcp))
	}
	if !p.remote && !p.Options.Isolated {
		checks = append(checks, p.Check("firewall", lang.Text{EN: "the host's firewall", KO: "호스트의 방화벽"},
			func(context.Context) preflight.Result { return p.firewall() }))
	}
	return append(checks, p.Check("libvirt", lang.Text{EN: "libvirt", KO: "libvirt"}, p.answers))
}

// hostPrograms are the programs that virtual machines need, as package distro names them.
var hostPrograms = []string{"libvirtd", "qemu-system-x86_64", "qemu-img", "dnsmasq"}

// guests: the machines' image and their hardware are described for one processor.
func (p hostChecks) guests(context.Context) preflight.Result {
	if arch := p.Host.Arch; arch != "amd64" && !p.remote {
		return p.Optional(preflight.Failed("nori up --driver auto", "they are made for amd64 alone, and this host is "+arch+": container machines are what there is",
			"amd64용만 있는데 이 호스트는 "+arch+"입니다. 컨테이너 머신을 쓸 수 있습니다"))
	}
	return preflight.Passed("there are", "있습니다")
}

// kvm is never a failure: without it virtual machines are emulated.
func (p hostChecks) kvm(ctx context.Context) preflight.Result {
	if p.remote {
		return preflight.Passed("the machines are on another host", "머신은 다른 호스트에 있습니다")
	}
	works, why := p.probes.KVM(ctx)
	if works {
		return preflight.Passed("works: "+why.EN, "동작합니다: "+why.KO)
	}
	en := why.EN + "; virtual machines are emulated and several times slower, so container machines are the default"
	ko := why.KO + ". 가상 머신은 에뮬레이션으로 돌아 몇 배 느리므로 컨테이너 머신이 기본입니다"
	switch module := p.kvmModule(); {
	case strings.Contains(why.EN, "may not be opened"):
		return preflight.Warned("adduser "+preflight.UserName()+" kvm   # "+lang.T("then log in again", "그다음 다시 로그인하세요"), en, ko)
	case strings.Contains(why.EN, "is not there") && module != "":
		r := preflight.Warned("modprobe "+module, en, ko)
		if p.Host.EUID == 0 {
			r.Fix = func(ctx context.Context) error { return p.Host.Run(ctx, "modprobe", module) }
		}
		return r
	case module == "":
		return preflight.Warned("", en+" (switch virtualization on in the firmware, or nested virtualization in the host above)",
			ko+" (펌웨어에서 가상화를 켜거나 상위 호스트에서 중첩 가상화를 켜십시오)")
	}
	return preflight.Warned("", en, ko)
}

// kvmModule names the module for this processor, if it can virtualize.
func (p hostChecks) kvmModule() string {
	data, err := os.ReadFile(p.Path("proc/cpuinfo"))
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(data))
	switch {
	case slices.Contains(fields, "vmx"):
		return "kvm_intel"
	case slices.Contains(fields, "svm"):
		return "kvm_amd"
	}
	return ""
}

func (p hostChecks) qemu(context.Context) preflight.Result {
	return p.Optional(p.Programs("qemu-system-x86_64", "qemu-img"))
}

func (p hostChecks) dhcp(context.Context) preflight.Result {
	return p.Optional(p.Program("dnsmasq"))
}

// answers asks the libvirtd that the testbed will use. An isolated testbed
// brings its own to life and only needs the program, and a user for its QEMUs.
func (p hostChecks) answers(ctx context.Context) preflight.Result {
	if p.Options.Isolated {
		return p.Optional(p.private())
	}
	err := p.probes.Connect(ctx, p.Options.Connect)
	if err == nil {
		return preflight.Passed("answers", "응답합니다")
	}
	r := failed(err)
	if p.remote {
		return r
	}
	_, lerr := p.Host.Look("libvirtd")
	switch {
	case lerr != nil:
		r.Remedy = p.Remedy(hostPrograms...)
		r.Fix = p.Install(hostPrograms...)
	case strings.Contains(r.Remedy, "adduser"):
		if p.Host.EUID == 0 {
			r.Fix = func(ctx context.Context) error { return p.Host.Run(ctx, "adduser", preflight.UserName(), "libvirt") }
		}
	case p.Systemd():
		r.Remedy = "systemctl start libvirtd"
		if p.Host.EUID == 0 {
			r.Fix = func(ctx context.Context) error { return p.Host.Run(ctx, "systemctl", "start", "libvirtd") }
		}
	default:
		r.Remedy = "nori up --isolated   # " + lang.T("it starts a libvirtd of its own; no systemd runs here that could start the host's", "전용 libvirtd를 시작합니다. 여기에는 호스트의 것을 시작할 systemd가 없습니다")
	}
	return p.Optional(r)
}

// private is what a libvirtd of the testbed's own needs.
func (p hostChecks) private() preflight.Result {
	if _, err := p.Host.Look("libvirtd"); err == nil {
		if err := p.probes.QEMUUser(); err != nil {
			return failed(err)
		}
	}
	return p.Program("libvirtd")
}

// failed is an error as a check's result.
func failed(err error) preflight.Result {
	var he *machine.HostError
	if errors.As(err, &he) {
		what := (&machine.HostError{What: he.What, Err: he.Err}).Error()
		return preflight.Failed(he.Remedy, what, what)
	}
	return preflight.Failed("", err.Error(), err.Error())
}
