package preflight

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"

	"noriter.dev/noriter/provision/machine"
)

// virtPackages are what virtual machines need on Debian and Ubuntu.
var virtPackages = []string{"libvirt-daemon-system", "qemu-system-x86", "qemu-utils", "dnsmasq-base"}

// kvm is never a failure: without it virtual machines are emulated.
func (p prober) kvm(ctx context.Context) Result {
	if p.o.remote() {
		return ok("the machines are on another host", "머신은 다른 호스트에 있습니다")
	}
	works, why := p.h.kvm(ctx)
	if works {
		return ok("works: "+why, "동작합니다")
	}
	en := why + "; virtual machines are emulated and several times slower, so container machines are the default"
	ko := why + ". 가상 머신은 에뮬레이션으로 돌아 몇 배 느리므로 컨테이너 머신이 기본입니다"
	switch module := p.kvmModule(); {
	case strings.Contains(why, "may not be opened"):
		r := warn("adduser "+userName()+" kvm   # then log in again", en, ko)
		return r
	case strings.Contains(why, "is not there") && module != "":
		r := warn("modprobe "+module, en, ko)
		if p.h.euid == 0 {
			r.Fix = func(ctx context.Context) error { return p.h.run(ctx, "modprobe", module) }
		}
		return r
	case module == "":
		return warn("", en+" (switch virtualization on in the firmware, or nested virtualization in the host above)",
			ko+" (펌웨어에서 가상화를 켜거나 상위 호스트에서 중첩 가상화를 켜십시오)")
	}
	return warn("", en, ko)
}

// kvmModule names the module for this processor, if it can virtualize.
func (p prober) kvmModule() string {
	data, err := os.ReadFile(p.path("proc/cpuinfo"))
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

func (p prober) qemu(context.Context) Result {
	for _, prog := range []struct{ name, pkg string }{{"qemu-system-x86_64", "qemu-system-x86"}, {"qemu-img", "qemu-utils"}} {
		if r := p.program(prog.name, prog.pkg); r.Status != OK {
			return p.optional(r)
		}
	}
	return ok("installed", "설치되어 있습니다")
}

func (p prober) dhcp(context.Context) Result { return p.optional(p.program("dnsmasq", "dnsmasq-base")) }

// optional turns a failure into a warning where the other driver would do.
func (p prober) optional(r Result) Result {
	if r.Status == Fail && p.o.Driver == "auto" {
		r.Status = Warn
	}
	return r
}

// libvirt asks the libvirtd that the testbed will use. An isolated testbed
// brings its own to life and only needs the program.
func (p prober) libvirt(ctx context.Context) Result {
	if p.o.Isolated {
		r := p.program("libvirtd", virtPackages[0])
		return p.optional(r)
	}
	err := p.h.libvirt(ctx, p.o.Connect)
	if err == nil {
		return ok("answers", "응답합니다")
	}
	r := fail("", err.Error(), err.Error())
	var he *machine.HostError
	if errors.As(err, &he) {
		what := (&machine.HostError{What: he.What, Err: he.Err}).Error()
		r = fail(he.Remedy, what, what)
	}
	if p.o.remote() {
		return r
	}
	_, lerr := p.h.look("libvirtd")
	switch {
	case lerr != nil:
		r.Remedy = "apt-get install " + strings.Join(virtPackages, " ")
		r.Fix = p.install(virtPackages...)
	case strings.Contains(r.Remedy, "adduser"):
		if p.h.euid == 0 {
			r.Fix = func(ctx context.Context) error { return p.h.run(ctx, "adduser", userName(), "libvirt") }
		}
	case p.systemd():
		r.Remedy = "systemctl start libvirtd"
		if p.h.euid == 0 {
			r.Fix = func(ctx context.Context) error { return p.h.run(ctx, "systemctl", "start", "libvirtd") }
		}
	default:
		r.Remedy = "nori up --isolated   # it starts a libvirtd of its own; no systemd runs here that could start the host's"
	}
	return p.optional(r)
}

// systemd says whether systemd manages this host (sd_booted(3)).
func (p prober) systemd() bool {
	_, err := os.Stat(p.path("run/systemd/system"))
	return err == nil
}

func (p prober) nspawn(context.Context) Result {
	return p.optional(p.program("systemd-nspawn", "systemd-container"))
}

// overlay mounts one where the machines will be, because some file systems
// take no overlay on them.
func (p prober) overlay(context.Context) Result {
	if p.h.euid == 0 {
		dir := p.o.StateDir
		if dir == "" {
			dir = os.TempDir()
		}
		if err := p.h.overlay(dir); err != nil {
			r := fail("modprobe overlay   # or another state folder, on ext4 or xfs", err.Error(), err.Error())
			r.Fix = func(ctx context.Context) error { return p.h.run(ctx, "modprobe", "overlay") }
			return p.optional(r)
		}
		return ok("one was mounted and unmounted", "하나를 마운트했다가 내렸습니다")
	}
	data, err := os.ReadFile(p.path("proc/filesystems"))
	if err != nil || !slices.Contains(strings.Fields(string(data)), "overlay") {
		return p.optional(fail("modprobe overlay", "the kernel does not list it", "커널 목록에 없습니다"))
	}
	return ok("the kernel lists it", "커널 목록에 있습니다")
}

// neededControllers are what the nodes limit containers with.
var neededControllers = []string{"cpu", "memory", "pids"}

// cgroup finds the version and the controllers (cgroups(7)).
func (p prober) cgroup(context.Context) Result {
	version, have := 2, ""
	if data, err := os.ReadFile(p.path("sys/fs/cgroup/cgroup.controllers")); err == nil {
		have = string(data)
	} else {
		version = 1
		entries, _ := os.ReadDir(p.path("sys/fs/cgroup")) // none: nothing is found, which is said below
		for _, e := range entries {
			have += " " + strings.ReplaceAll(e.Name(), ",", " ")
		}
	}
	var missing []string
	for _, c := range neededControllers {
		if !slices.Contains(strings.Fields(have), c) {
			missing = append(missing, c)
		}
	}
	if len(missing) > 0 {
		list := strings.Join(missing, ", ")
		return p.optional(fail("cat /proc/cgroups   # and switch them on at the kernel's command line: cgroup_enable=memory",
			fmt.Sprintf("version %d lacks %s", version, list), fmt.Sprintf("버전 %d에 %s이(가) 없습니다", version, list)))
	}
	return ok(fmt.Sprintf("version %d with %s", version, strings.Join(neededControllers, ", ")),
		fmt.Sprintf("버전 %d, %s", version, strings.Join(neededControllers, ", ")))
}

// userName is who should be in a group: behind sudo, the one before it.
func userName() string {
	if u := os.Getenv("SUDO_USER"); u != "" {
		return u
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "$USER"
}
