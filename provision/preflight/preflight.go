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
	"slices"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
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
	// SlowOnly says that without it machines are only slower.
	SlowOnly bool
	// Run answers. It changes nothing that it does not put back.
	Run func(ctx context.Context) Result
}

// Options say what the host shall be fit for.
type Options struct {
	// Drivers are those of which one has to work; with several, what only one
	// of them lacks is a warning.
	Drivers []Driver
	// Connect is the address of the service that makes the machines, for
	// drivers that have one; empty means this host's own.
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
	// MachinesMiB is the memory of each machine, the control node's first.
	MachinesMiB []int
	// CPUs is how many of the host's processors a machine is limited to, the largest
	// number; 0 where none is limited, or has processors of its own.
	CPUs int
	// DiskGiB is what the machines' disks take of the host's at once, all together.
	DiskGiB int
	// ImageReady says that the node image need not be built.
	ImageReady bool
	// ImageStocked says that the node image came with nori, and is only unpacked.
	ImageStocked bool
	// Host is what is looked at; nil is this host.
	Host *Host
}

// Driver is what the checks have to know of a way to make machines.
type Driver struct {
	Traits machine.Traits
	// Remote says that a service's address is another host's; nil means never.
	Remote func(connect string) bool
	// NeedMiB is the memory that machines of these sizes (MiB) take of the host.
	NeedMiB func(ctx context.Context, h *Host, machinesMiB []int) int
	// LessMemory is the command that needs less than what was asked for.
	LessMemory string
	// Bridge is the name of a testbed's bridge.
	Bridge func(testbed, dir string) string
	// Clashes lists what is there under the testbed's names and is not its own;
	// nil where only this package's own looks tell.
	Clashes func(ctx context.Context, o Options) ([]string, error)
	// Checks are those that only this driver needs.
	Checks func(p Prober) []Check
}

// remote says that the machines will be on another host.
func (o Options) remote() bool {
	return slices.ContainsFunc(o.Drivers, func(d Driver) bool { return d.Remote != nil && d.Remote(o.Connect) })
}

// workers is the number of machines beside the control node.
func (o Options) workers() int { return len(o.MachinesMiB) - 1 }

// All are the checks that say something about these options, in the order in
// which a person would mend them.
func All(o Options) []Check {
	if o.Host == nil {
		h := ThisHost()
		o.Host = &h
	}
	p := Prober{o, o.Host}
	checks := []Check{
		p.Check("system", lang.Text{EN: "the system", KO: "시스템"}, p.system),
		p.Check("inside", lang.Text{EN: "what this host runs in", KO: "호스트가 실행되는 곳"}, p.inside),
		p.Check("init", lang.Text{EN: "the first process", KO: "첫 프로세스"}, p.init),
		p.Check("time", lang.Text{EN: "the clock", KO: "시계"}, p.time),
		p.Check("root", lang.Text{EN: "permission to make machines", KO: "머신을 만들 권한"}, p.root),
		p.Check("cpu", lang.Text{EN: "processors", KO: "프로세서"}, p.cpus),
		p.Check("memory", lang.Text{EN: "free memory", KO: "남은 메모리"}, p.memory),
		p.Check("disk", lang.Text{EN: "free disk space", KO: "남은 디스크 공간"}, p.disk),
		p.Check("image", lang.Text{EN: "the tool that builds the node image", KO: "노드 이미지를 만드는 도구"}, p.imageTool),
	}
	for _, d := range o.Drivers {
		checks = append(checks, d.Checks(p)...)
	}
	if !o.remote() {
		checks = append(checks, p.Check("bridge", lang.Text{EN: "network bridges", KO: "네트워크 브리지"}, p.bridge))
		if o.Subnet.IsValid() && !o.Known && !o.Isolated {
			checks = append(checks, p.Check("subnet", lang.Text{EN: "the testbed's addresses", KO: "테스트베드의 주소"}, p.subnet))
		}
	}
	if o.Testbed != "" {
		checks = append(checks, p.Check("names", lang.Text{EN: "the testbed's names", KO: "테스트베드의 이름"}, p.names))
	}
	return checks
}

// ForUp are the checks that must hold before a testbed of these options is
// made, with the one driver that it gets.
func ForUp(o Options) []Check {
	return slices.DeleteFunc(All(o), func(c Check) bool { return c.SlowOnly })
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

// Prober is what the checks hang on.
type Prober struct {
	Options Options
	Host    *Host
}

// Check makes a check of its parts.
func (p Prober) Check(id string, title lang.Text, run func(context.Context) Result) Check {
	return Check{ID: id, Title: title, Run: run}
}

// Path is a path of the host, below the root that tests put in its place.
func (p Prober) Path(elem ...string) string {
	return filepath.Join(append([]string{p.Host.Root}, elem...)...)
}

// Optional turns a failure into a warning where another driver would do.
func (p Prober) Optional(r Result) Result {
	if r.Status == Fail && len(p.Options.Drivers) > 1 {
		r.Status = Warn
	}
	return r
}

// Passed is what a check saw where all is well.
func Passed(en, ko string) Result { return Result{Status: OK, Seen: lang.Text{EN: en, KO: ko}} }

// Warned is what can be lived with.
func Warned(remedy, en, ko string) Result {
	return Result{Status: Warn, Seen: lang.Text{EN: en, KO: ko}, Remedy: remedy}
}

// Failed is what must be mended first.
func Failed(remedy, en, ko string) Result {
	return Result{Status: Fail, Seen: lang.Text{EN: en, KO: ko}, Remedy: remedy}
}
