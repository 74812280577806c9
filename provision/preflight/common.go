package preflight

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/netns"
)

// buildYear is the year of this program: a clock before it is wrong, and the
// certificates of a cluster made now would lie in the future for everybody.
const buildYear = 2026

func (p Prober) time(context.Context) Result {
	now := p.Host.Now().UTC()
	shown := now.Format("2006-01-02 15:04 UTC")
	if now.Year() < buildYear {
		return Failed(lang.T("timedatectl set-ntp true   # or: date -s 'YYYY-MM-DD HH:MM'", "timedatectl set-ntp true   # 또는: date -s 'YYYY-MM-DD HH:MM'"),
			"it says "+shown+", which is before this program was made", shown+"을 가리킵니다. 이 프로그램이 만들어지기 전입니다")
	}
	return Passed(shown, shown)
}

// root is needed where this process makes the machines itself; a service of the
// host does it for others.
func (p Prober) root(context.Context) Result {
	if p.Host.EUID == 0 {
		return Passed("root", "root입니다")
	}
	en, ko := "not root", "root가 아닙니다"
	needed := func(d Driver) bool { return d.Traits.Root || p.Options.Isolated }
	switch drivers := p.Options.Drivers; {
	case !slices.ContainsFunc(drivers, needed):
		return Passed(en+"; a service of the host makes the machines", ko+". 호스트의 서비스가 머신을 만듭니다")
	case slices.ContainsFunc(drivers, func(d Driver) bool { return !needed(d) }):
		return Warned("sudo nori …", en+": only machines that a service of the host makes are possible", ko+". 호스트의 서비스가 만드는 머신만 쓸 수 있습니다")
	}
	return Failed("sudo nori …", en, ko)
}

func (p Prober) cpus(context.Context) Result {
	n := p.Host.CPUs()
	// A testbed that is there may have come with its disk from a larger host.
	if want := p.Options.CPUs; want > n && !p.Options.Known {
		return Failed("nproc"+lang.T("   # and give no machine more: --control-cpus, --node-cpus, or cpus in testbed.yaml",
			"   # 그리고 머신에 더 주지 마세요: --control-cpus, --node-cpus 또는 testbed.yaml의 cpus"),
			fmt.Sprintf("%d; a machine is to have %d", n, want), fmt.Sprintf("%d개인데 머신 하나에 %d개를 주려고 합니다", n, want))
	}
	if n < 2 {
		return Warned("", fmt.Sprintf("%d: machines and their control plane will be slow; two or more are better", n),
			fmt.Sprintf("%d개. 느립니다. 2개 이상을 권합니다", n))
	}
	return Passed(strconv.Itoa(n), fmt.Sprintf("%d개", n))
}

// What the machines need of the disk.
const testbedBytes, machineBytes uint64 = 3 << 30, 1 << 30

// memory must hold for the driver that needs least: auto takes no other where
// memory is short.
func (p Prober) memory(ctx context.Context) Result {
	if p.Options.remote() {
		return onOtherHost()
	}
	have, err := p.availableMiB()
	if err != nil {
		return Warned("", err.Error(), err.Error())
	}
	need, remedy := math.MaxInt, ""
	for _, d := range p.Options.Drivers {
		if n := d.NeedMiB(ctx, p.Host, p.Options.MachinesMiB); n < need {
			need, remedy = n, d.LessMemory
		}
	}
	en := fmt.Sprintf("%d MiB; a control node and %d workers need %d MiB", have, p.Options.workers(), need)
	ko := fmt.Sprintf("%d MiB. control 노드와 워커 %d대에는 %d MiB가 필요합니다", have, p.Options.workers(), need)
	switch {
	case p.Options.Known:
		return Passed(fmt.Sprintf("%d MiB, with the testbed's machines counted off", have), fmt.Sprintf("%d MiB (이 테스트베드의 머신을 뺀 값)", have))
	case have < need:
		return Failed(remedy, en, ko)
	case have < need*5/4:
		return Warned("", en+": that is tight", ko+". 빠듯합니다")
	}
	return Passed(en, ko)
}

func onOtherHost() Result {
	return Passed("the machines are on another host", "머신은 다른 호스트에 있습니다")
}

// availableMiB reads MemAvailable of /proc/meminfo (proc(5)).
func (p Prober) availableMiB() (int, error) {
	data, err := os.ReadFile(p.Path("proc/meminfo"))
	if err != nil {
		return 0, lang.Errorf("reading the free memory: %w", "남은 메모리 읽기: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) >= 2 && f[0] == "MemAvailable:" {
			kib, err := strconv.Atoi(f[1])
			if err != nil {
				return 0, lang.Errorf("reading the free memory: %w", "남은 메모리 읽기: %w", err)
			}
			return kib >> 10, nil
		}
	}
	return 0, lang.Errorf("%s does not tell the free memory", "%s에 남은 메모리가 적혀 있지 않습니다", p.Path("proc/meminfo"))
}

func (p Prober) disk(context.Context) Result {
	if p.Options.StateDir == "" {
		return Passed("no folder to look at", "살펴볼 폴더가 없습니다")
	}
	free, err := p.Host.Free(p.Options.StateDir)
	if err != nil {
		return Failed("ls -ld "+p.Options.StateDir, err.Error(), err.Error())
	}
	need := uint64(len(p.Options.MachinesMiB)) * machineBytes
	if !p.Options.Known { // else it has them
		need = max(need, uint64(p.Options.DiskGiB)<<30)
	}
	if !p.Options.ImageReady {
		need += testbedBytes
	}
	en := fmt.Sprintf("%s has %.1f GiB free; %.0f GiB are needed", p.Options.StateDir, gib(free), gib(need))
	ko := fmt.Sprintf("%s에 %.1f GiB가 남았습니다. %.0f GiB가 필요합니다", p.Options.StateDir, gib(free), gib(need))
	switch {
	case free < need && p.Options.Known:
		return Warned("df -h "+p.Options.StateDir, en, ko)
	case free < need:
		return Failed("df -h "+p.Options.StateDir, en, ko)
	case free < 2*need:
		return Warned("", en+", more with snapshots", ko+". 스냅숏을 만들면 더 필요합니다")
	}
	return Passed(en, ko)
}

func gib(b uint64) float64 { return float64(b) / (1 << 30) }

func (p Prober) imageTool(context.Context) Result {
	if p.Options.ImageReady {
		return Passed("not needed: the image is there", "필요 없습니다. 이미지가 이미 있습니다")
	}
	if p.Options.ImageStocked {
		return Passed("not needed: the image came with nori", "필요 없습니다. 이미지가 nori와 함께 왔습니다")
	}
	if r := p.Program("mmdebstrap"); r.Status != OK || p.Host.EUID == 0 {
		return r
	}
	// Without root it makes a user namespace of its own.
	if p.Word("proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" {
		return Warned("sudo nori …", "AppArmor keeps those who are not root from making user namespaces, so only root can build the image",
			"AppArmor가 root가 아닌 사용자의 사용자 네임스페이스 만들기를 막으므로 root만 이미지를 빌드할 수 있습니다")
	}
	return p.Program("mmdebstrap")
}

func (p Prober) bridge(context.Context) Result {
	if p.Host.EUID != 0 {
		return Passed("a service of the host makes it", "호스트의 서비스가 만듭니다")
	}
	if err := p.Host.Bridge(); err != nil {
		return p.Module(err, "bridge", "")
	}
	return Passed("one was made, with a virtual cable, and removed", "하나를 가상 케이블과 함께 만들었다가 지웠습니다")
}

// bridges are the names that the testbed's bridge may have.
func (p Prober) bridges() (names []string) {
	for _, d := range p.Options.Drivers {
		if b := d.Bridge(p.Options.Testbed, p.Options.Dir); !slices.Contains(names, b) {
			names = append(names, b)
		}
	}
	return names
}

// subnet looks for addresses and routes of others that overlap.
func (p Prober) subnet(context.Context) Result {
	links, err := p.Host.Links()
	if err != nil {
		return Warned("", err.Error(), err.Error())
	}
	own := p.bridges()
	for name, addrs := range links {
		for _, a := range addrs {
			if !slices.Contains(own, name) && netns.Clash(a, p.Options.Subnet) {
				return Failed("ip address show dev "+name+lang.T("   # and choose another subnet in testbed.yaml", "   # 그리고 testbed.yaml에서 다른 서브넷을 고르세요"),
					fmt.Sprintf("%s overlaps with %s of %s", p.Options.Subnet, a, name), fmt.Sprintf("%s이(가) %s의 %s와(과) 겹칩니다", p.Options.Subnet, name, a))
			}
		}
	}
	routes, err := p.Host.Routes()
	if err != nil {
		return Warned("", err.Error(), err.Error())
	}
	clash := func(r netip.Prefix) bool { return netns.Clash(r, p.Options.Subnet) }
	if i := slices.IndexFunc(routes, clash); i >= 0 && !slices.ContainsFunc(own, p.oursLink) {
		return Failed("ip route show"+lang.T("   # and choose another subnet in testbed.yaml", "   # 그리고 testbed.yaml에서 다른 서브넷을 고르세요"),
			fmt.Sprintf("a route to %s overlaps with %s", routes[i], p.Options.Subnet), fmt.Sprintf("%s(으)로 가는 경로가 %s와(과) 겹칩니다", routes[i], p.Options.Subnet))
	}
	return Passed(p.Options.Subnet.String()+" is free", p.Options.Subnet.String()+"은(는) 사용할 수 있습니다")
}

// ours says whether a mark is that of the testbed; see netns.MarkOf.
func (p Prober) ours(mark string) bool {
	return p.Options.Dir != "" && mark == netns.MarkOf(p.Options.Dir)
}

func (p Prober) oursLink(name string) bool { return p.ours(p.Host.LinkMark(name)) }

// names looks for things of the testbed's names that are not its own.
func (p Prober) names(ctx context.Context) Result {
	var found []string
	if !p.Options.Known && !p.Options.remote() {
		if links, err := p.Host.Links(); err == nil {
			for _, br := range p.bridges() {
				if _, there := links[br]; there && !p.oursLink(br) {
					found = append(found, lang.T("network card ", "네트워크 인터페이스 ")+br)
				}
			}
		}
		ns := "/run/netns/nori-" + p.Options.Testbed
		// An isolated testbed has one of its own, made before its machines.
		if _, err := os.Stat(p.Path(ns)); err == nil && !p.Options.Isolated && !p.ours(p.Host.NamespaceMark(p.Options.Testbed)) {
			found = append(found, lang.T("network namespace ", "네트워크 네임스페이스 ")+ns)
		}
	}
	for _, d := range p.Options.Drivers {
		if d.Clashes == nil {
			continue
		}
		// A service that does not answer is the affair of its own check.
		if more, err := d.Clashes(ctx, p.Options); err == nil {
			found = append(found, more...)
		}
	}
	if len(found) > 0 {
		list := strings.Join(found, ", ")
		return Failed(lang.T("nori up --name OTHER   # or remove what is left: nori down --name ", "nori up --name OTHER   # 또는 남은 것을 지우세요: nori down --name ")+p.Options.Testbed,
			"taken by something else: "+list, "다른 것이 이미 쓰고 있습니다: "+list)
	}
	return Passed("free", "사용할 수 있습니다")
}
