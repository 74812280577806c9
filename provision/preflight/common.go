package preflight

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"noriter.dev/noriter/provision/libvirt"
)

// buildYear is the year of this program: a clock before it is wrong, and the
// certificates of a cluster made now would lie in the future for everybody.
const buildYear = 2026

func (p prober) time(context.Context) Result {
	now := p.h.now().UTC()
	shown := now.Format("2006-01-02 15:04 UTC")
	if now.Year() < buildYear {
		return fail("timedatectl set-ntp true   # or: date -s 'YYYY-MM-DD HH:MM'",
			"it says "+shown+", which is before this program was made", shown+"을 가리킵니다. 이 프로그램이 만들어지기 전입니다")
	}
	return ok(shown, shown)
}

// root is needed where machines are made by ourselves; the host's libvirtd
// does it for others.
func (p prober) root(context.Context) Result {
	if p.h.euid == 0 {
		return ok("root", "root입니다")
	}
	en, ko := "not root", "root가 아닙니다"
	switch {
	case p.o.Driver == "libvirt" && !p.o.Isolated:
		return ok(en+"; libvirt makes the machines", ko+". 머신은 libvirt가 만듭니다")
	case p.o.Driver == "auto" && !p.o.Isolated:
		return warn("sudo nori …", en+": only virtual machines of the host's libvirt can be made", ko+". 호스트 libvirt의 가상 머신만 만들 수 있습니다")
	}
	return fail("sudo nori …", en, ko)
}

func (p prober) cpus(context.Context) Result {
	n := p.h.cpus()
	if n < 2 {
		return warn("", fmt.Sprintf("%d: machines and their control plane will be slow; two or more are better", n),
			fmt.Sprintf("%d개. 느립니다. 2개 이상을 권합니다", n))
	}
	return ok(strconv.Itoa(n), fmt.Sprintf("%d개", n))
}

// What the machines need, in MiB. A container machine shares the host's kernel
// and page cache; a virtual one has its memory and what QEMU takes beside it,
// which is more where it keeps translated code.
const (
	vmControlMiB, vmWorkerMiB, vmOverheadMiB        = 1536, 768, 160
	containerControlMiB, containerWorkerMiB         = 800, 250
	testbedBytes, machineBytes               uint64 = 3 << 30, 1 << 30
)

// NeedMiB is the memory that a testbed with this many workers takes; emulated
// says that there is no KVM for its virtual machines.
func NeedMiB(driver string, emulated bool, nodes int) int {
	if driver != "libvirt" {
		return containerControlMiB + nodes*containerWorkerMiB
	}
	need := vmControlMiB + nodes*vmWorkerMiB + (nodes+1)*vmOverheadMiB
	if emulated {
		need += libvirt.TranslationMiB(vmControlMiB) + nodes*libvirt.TranslationMiB(vmWorkerMiB)
	}
	return need
}

func (p prober) memory(ctx context.Context) Result {
	if p.o.remote() {
		return ok("the machines are on another host", "머신은 다른 호스트에 있습니다")
	}
	have, err := p.availableMiB()
	if err != nil {
		return warn("", err.Error(), err.Error())
	}
	emulated := false
	if p.o.Driver == "libvirt" {
		works, _ := p.h.kvm(ctx)
		emulated = !works
	}
	need := NeedMiB(p.o.Driver, emulated, p.o.Nodes)
	en := fmt.Sprintf("%d MiB; a control node and %d workers need %d MiB", have, p.o.Nodes, need)
	ko := fmt.Sprintf("%d MiB. control 노드와 작업 노드 %d개에는 %d MiB가 필요합니다", have, p.o.Nodes, need)
	switch {
	case p.o.Known:
		return ok(fmt.Sprintf("%d MiB, with the testbed's machines counted off", have), fmt.Sprintf("%d MiB (이 테스트베드의 머신을 뺀 값)", have))
	case have < need:
		remedy := "nori up --nodes 1   # or end other programs"
		if p.o.Driver == "libvirt" {
			remedy = "nori up --driver nspawn   # or --nodes 1"
		}
		return fail(remedy, en, ko)
	case have < need*5/4:
		return warn("", en+": that is tight", ko+". 빠듯합니다")
	}
	return ok(en, ko)
}

// availableMiB reads MemAvailable of /proc/meminfo (proc(5)).
func (p prober) availableMiB() (int, error) {
	data, err := os.ReadFile(p.path("proc/meminfo"))
	if err != nil {
		return 0, fmt.Errorf("reading the free memory: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) >= 2 && f[0] == "MemAvailable:" {
			kib, err := strconv.Atoi(f[1])
			if err != nil {
				return 0, fmt.Errorf("reading the free memory: %w", err)
			}
			return kib >> 10, nil
		}
	}
	return 0, fmt.Errorf("%s does not tell the free memory", p.path("proc/meminfo"))
}

func (p prober) disk(context.Context) Result {
	if p.o.StateDir == "" {
		return ok("no folder to look at", "살펴볼 폴더가 없습니다")
	}
	free, err := p.h.free(p.o.StateDir)
	if err != nil {
		return fail("ls -ld "+p.o.StateDir, err.Error(), err.Error())
	}
	need := uint64(p.o.Nodes+1) * machineBytes
	if !p.o.ImageReady {
		need += testbedBytes
	}
	en := fmt.Sprintf("%s has %.1f GiB free; %.0f GiB are needed", p.o.StateDir, gib(free), gib(need))
	ko := fmt.Sprintf("%s에 %.1f GiB가 남았습니다. %.0f GiB가 필요합니다", p.o.StateDir, gib(free), gib(need))
	switch {
	case free < need && p.o.Known:
		return warn("df -h "+p.o.StateDir, en, ko)
	case free < need:
		return fail("df -h "+p.o.StateDir, en, ko)
	case free < 2*need:
		return warn("", en+", more with snapshots", ko+". 스냅숏을 만들면 더 필요합니다")
	}
	return ok(en, ko)
}

func gib(b uint64) float64 { return float64(b) / (1 << 30) }

func (p prober) imageTool(context.Context) Result {
	if p.o.ImageReady {
		return ok("not needed: the image is there", "필요 없습니다. 이미지가 이미 있습니다")
	}
	return p.program("mmdebstrap", "mmdebstrap")
}

// program looks for a program and knows the package to install.
func (p prober) program(name, pkg string) Result {
	at, err := p.h.look(name)
	if err == nil {
		return ok(at, at)
	}
	r := fail("apt-get install "+pkg, name+" is not installed", name+"이(가) 설치되어 있지 않습니다")
	r.Fix = p.install(pkg)
	return r
}

// install gives the repair that installs Debian packages, or nil where there
// is no apt-get or no right to use it.
func (p prober) install(pkgs ...string) func(context.Context) error {
	if _, err := p.h.look("apt-get"); err != nil || p.h.euid != 0 {
		return nil
	}
	return func(ctx context.Context) error {
		args := append([]string{"install", "-y", "--no-install-recommends"}, pkgs...)
		if err := p.h.run(ctx, "apt-get", args...); err == nil {
			return nil
		}
		if err := p.h.run(ctx, "apt-get", "update"); err != nil { // old lists name files that are gone
			return err
		}
		return p.h.run(ctx, "apt-get", args...)
	}
}

func (p prober) bridge(context.Context) Result {
	if p.h.euid != 0 {
		return ok("libvirt makes it", "libvirt가 만듭니다")
	}
	if err := p.h.bridge(); err != nil {
		r := fail("modprobe bridge", err.Error(), err.Error())
		r.Fix = func(ctx context.Context) error { return p.h.run(ctx, "modprobe", "bridge") }
		return r
	}
	return ok("one was made and removed", "하나를 만들었다가 지웠습니다")
}

// subnet looks for addresses and routes of others that overlap.
func (p prober) subnet(context.Context) Result {
	links, err := p.h.links()
	if err != nil {
		return warn("", err.Error(), err.Error())
	}
	own := libvirt.BridgeName(p.o.Testbed)
	for name, addrs := range links {
		for _, a := range addrs {
			if name != own && a.Overlaps(p.o.Subnet) {
				return fail("ip address show dev "+name+"   # and choose another subnet in testbed.yaml",
					fmt.Sprintf("%s overlaps with %s of %s", p.o.Subnet, a, name), fmt.Sprintf("%s이(가) %s의 %s와 겹칩니다", p.o.Subnet, name, a))
			}
		}
	}
	routes, err := p.h.routes()
	if err != nil {
		return warn("", err.Error(), err.Error())
	}
	if i := slices.IndexFunc(routes, p.o.Subnet.Overlaps); i >= 0 && !slices.Contains(links[own], p.o.Subnet) {
		return fail("ip route show   # and choose another subnet in testbed.yaml",
			fmt.Sprintf("a route to %s overlaps with %s", routes[i], p.o.Subnet), fmt.Sprintf("%s로 가는 경로가 %s와 겹칩니다", routes[i], p.o.Subnet))
	}
	return ok(p.o.Subnet.String()+" is free", p.o.Subnet.String()+"은(는) 비어 있습니다")
}

// names looks for things of the testbed's names that are not its own.
func (p prober) names(ctx context.Context) Result {
	var found []string
	if !p.o.Known && !p.o.remote() {
		if links, err := p.h.links(); err == nil {
			br := libvirt.BridgeName(p.o.Testbed)
			if _, there := links[br]; there {
				found = append(found, "bridge "+br)
			}
		}
		ns := "/run/netns/nori-" + p.o.Testbed
		if _, err := os.Stat(p.path(ns)); err == nil {
			found = append(found, "network namespace "+ns)
		}
	}
	if p.o.virtual() && !p.o.Isolated {
		// A libvirt that does not answer is the affair of its own check.
		if c, err := p.h.clashes(ctx, p.o.Connect, p.o.Testbed, p.o.Dir); err == nil {
			found = append(found, c...)
		}
	}
	if len(found) > 0 {
		list := strings.Join(found, ", ")
		return fail("nori up --name OTHER   # or remove what is left: nori down --name "+p.o.Testbed,
			"taken by something else: "+list, "다른 것이 이미 쓰고 있습니다: "+list)
	}
	return ok("free", "비어 있습니다")
}
