// Package preflight looks at the host before anything is touched. Each check
// is small, says what it saw, and where it fails names the command that mends
// it; some can mend it themselves. `nori doctor` shows them all, `nori up`
// runs those that its driver can't do without.
package preflight

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/libvirt"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/preflight/kvm"
)

// Status is what a check came to.
type Status string

// The outcomes of a check.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Result is what a check saw.
type Result struct {
	Status Status
	// Seen is what was found, also where all is well.
	Seen lang.Text
	// Remedy is the command that mends it; empty where there is none.
	Remedy string
	// Fix does what Remedy says; nil where a program should not.
	Fix func(ctx context.Context) error
}

// Check is one question to the host.
type Check struct {
	// ID is short and stable, for scripts.
	ID string
	// Title is what is asked.
	Title lang.Text
	// Run answers. It changes nothing that it does not put back.
	Run func(ctx context.Context) Result
}

// Options say what the host shall be fit for.
type Options struct {
	// Driver is "libvirt", "nspawn" or "auto" (either).
	Driver string
	// Connect is libvirt's address, as libvirt.Options has it.
	Connect string
	// Isolated is a testbed in a network namespace of its own.
	Isolated bool
	// Testbed is its name, and Dir its folder; empty where none is meant.
	Testbed, Dir string
	// Known says that the testbed exists, so that its own bridge, namespace
	// and addresses are no clash.
	Known bool
	// Subnet is the testbed's; the zero value is not looked at.
	Subnet netip.Prefix
	// StateDir is where testbeds and images are kept.
	StateDir string
	// Nodes is the number of workers beside the control node.
	Nodes int
	// ImageReady says that the node image need not be built.
	ImageReady bool
}

func (o Options) virtual() bool   { return o.Driver != "nspawn" }
func (o Options) container() bool { return o.Driver != "libvirt" }
func (o Options) remote() bool    { return libvirt.IsRemote(o.Connect) }

// KVM says whether this host truly runs KVM guests, and why not if it does
// not. It decides what the driver "auto" means.
func KVM(ctx context.Context) (works bool, why string) { return kvm.Works(ctx) }

// All are the checks that say something about these options, in the order in
// which a person would mend them.
func All(o Options) []Check { return all(o, thisHost()) }

func all(o Options, h host) []Check {
	p := prober{o, h}
	checks := []Check{
		p.check("time", lang.Text{EN: "the clock", KO: "시계"}, p.time),
		p.check("root", lang.Text{EN: "permission to make machines", KO: "머신을 만들 권한"}, p.root),
		p.check("cpu", lang.Text{EN: "processors", KO: "프로세서"}, p.cpus),
		p.check("memory", lang.Text{EN: "free memory", KO: "남은 메모리"}, p.memory),
		p.check("disk", lang.Text{EN: "free disk space", KO: "남은 디스크 공간"}, p.disk),
		p.check("image", lang.Text{EN: "the tool that builds the node image", KO: "노드 이미지를 만드는 도구"}, p.imageTool),
	}
	if o.virtual() {
		checks = append(checks, p.check("kvm", lang.Text{EN: "hardware virtualization (KVM)", KO: "하드웨어 가상화 (KVM)"}, p.kvm))
		if !o.remote() {
			checks = append(checks,
				p.check("qemu", lang.Text{EN: "QEMU", KO: "QEMU"}, p.qemu),
				p.check("dhcp", lang.Text{EN: "DHCP for the machines (dnsmasq)", KO: "머신을 위한 DHCP (dnsmasq)"}, p.dhcp))
		}
		checks = append(checks, p.check("libvirt", lang.Text{EN: "libvirt", KO: "libvirt"}, p.libvirt))
	}
	if o.container() {
		checks = append(checks,
			p.check("nspawn", lang.Text{EN: "container machines (systemd-nspawn)", KO: "컨테이너 머신 (systemd-nspawn)"}, p.nspawn),
			p.check("overlayfs", lang.Text{EN: "layered file systems (overlayfs)", KO: "계층 파일 시스템 (overlayfs)"}, p.overlay),
			p.check("cgroup", lang.Text{EN: "control groups", KO: "컨트롤 그룹 (cgroup)"}, p.cgroup))
	}
	if !o.remote() {
		checks = append(checks, p.check("bridge", lang.Text{EN: "network bridges", KO: "네트워크 브리지"}, p.bridge))
		if o.Subnet.IsValid() && !o.Known && !o.Isolated {
			checks = append(checks, p.check("subnet", lang.Text{EN: "the testbed's addresses", KO: "테스트베드의 주소"}, p.subnet))
		}
	}
	if o.Testbed != "" {
		checks = append(checks, p.check("names", lang.Text{EN: "the testbed's names", KO: "테스트베드의 이름"}, p.names))
	}
	return checks
}

// ForUp are the checks that must hold before a testbed of these options is
// made; a driver of "auto" must have been decided.
func ForUp(o Options) []Check { return forUp(o, thisHost()) }

func forUp(o Options, h host) []Check {
	var must []Check
	for _, c := range all(o, h) {
		if c.ID != "kvm" && c.ID != "cpu" { // both only make it slow
			must = append(must, c)
		}
	}
	return must
}

// Must runs checks and gives the failures as one error, each with its remedy:
// *machine.HostError all of them, so that the exit code says so.
func Must(ctx context.Context, checks []Check) error {
	var errs []error
	for _, c := range checks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r := c.Run(ctx); r.Status == Fail {
			errs = append(errs, &machine.HostError{What: c.Title.String() + ": " + r.Seen.String(), Remedy: r.Remedy})
		}
	}
	return errors.Join(errs...)
}

// prober is what the checks hang on.
type prober struct {
	o Options
	h host
}

func (p prober) check(id string, title lang.Text, run func(context.Context) Result) Check {
	return Check{ID: id, Title: title, Run: run}
}

// path is a path of the host, below the root that tests put in its place.
func (p prober) path(elem ...string) string {
	return filepath.Join(append([]string{p.h.root}, elem...)...)
}

func ok(en, ko string) Result { return Result{Status: OK, Seen: lang.Text{EN: en, KO: ko}} }

func warn(remedy, en, ko string) Result {
	return Result{Status: Warn, Seen: lang.Text{EN: en, KO: ko}, Remedy: remedy}
}

func fail(remedy, en, ko string) Result {
	return Result{Status: Fail, Seen: lang.Text{EN: en, KO: ko}, Remedy: remedy}
}
