package nspawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/provision/preflight"
)

// Probes are what the host checks ask beside preflight.Host; tests put their
// own in their place.
type Probes struct {
	// Overlay mounts an overlay below a folder and unmounts it again.
	Overlay func(dir string) error
	// Users does below a folder what a machine with users of its own needs.
	Users func(dir string) error
	// Rules loads the rules of a Service into a network namespace of its own, by
	// nft at a path.
	Rules func(ctx context.Context, nft string) error
}

// ThisHost asks the real things.
func ThisHost() Probes {
	return Probes{Overlay: tryOverlay, Users: func(dir string) error { return tryUsers("", dir) }, Rules: tryRules}
}

// Preflight is what a host is checked for before container machines are made.
func Preflight(probes Probes) preflight.Driver {
	return preflight.Driver{
		Traits:  Traits,
		NeedMiB: func(_ context.Context, _ *preflight.Host, machinesMiB []int) int { return NeedMiB(machinesMiB) },
		Bridge:  BridgeName,
		Checks:  func(p preflight.Prober) []preflight.Check { return hostChecks{p, probes}.all() },
	}
}

// A container machine shares the host's kernel and page cache, and takes what
// its programs do, however much it is allowed to.
const controlMiB, workerMiB = 800, 250

// NeedMiB is the memory that so many machines take of the host.
func NeedMiB(machinesMiB []int) int { return controlMiB + (len(machinesMiB)-1)*workerMiB }

// hostChecks are the checks that only container machines need.
type hostChecks struct {
	preflight.Prober
	probes Probes
}

func (p hostChecks) all() []preflight.Check {
	return []preflight.Check{
		p.Check("privileges", lang.Text{EN: "root's powers", KO: "root의 권한"}, p.privileges),
		p.Check("kernel", lang.Text{EN: "the kernel, which container machines share", KO: "컨테이너 머신이 함께 쓰는 커널"}, p.kernel),
		p.Check("nspawn", lang.Text{EN: "container machines (systemd-nspawn)", KO: "컨테이너 머신 (systemd-nspawn)"}, p.nspawn),
		p.Check("overlayfs", lang.Text{EN: "layered file systems (overlayfs)", KO: "계층 파일 시스템 (overlayfs)"}, p.overlay),
		p.Check("users", lang.Text{EN: "users of their own for container machines", KO: "컨테이너 머신만의 사용자"}, p.users),
		p.Check("nftables", lang.Text{EN: "packet rules (nftables)", KO: "패킷 규칙 (nftables)"}, p.rules),
		p.Check("selinux", lang.Text{EN: "SELinux", KO: "SELinux"}, p.selinux),
		p.Check("cgroup", lang.Text{EN: "control groups", KO: "컨트롤 그룹 (cgroup)"}, p.cgroup),
	}
}

func (p hostChecks) nspawn(context.Context) preflight.Result {
	return p.Optional(p.Programs("systemd-nspawn", "flock"))
}

// overlay mounts one where the machines will be, because some file systems
// take no overlay on them.
func (p hostChecks) overlay(context.Context) preflight.Result {
	if p.Host.EUID == 0 {
		dir := p.Options.StateDir
		if dir == "" {
			dir = os.TempDir()
		}
		err := p.probes.Overlay(dir)
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			return p.Optional(preflight.Failed("df -h "+shell.Quote(dir), "no space is left to try one in "+dir, dir+"에 시험해 볼 공간이 없습니다"))
		}
		if err != nil {
			return p.Optional(p.Module(err, "overlay", lang.T("# or another state folder, on ext4 or xfs", "# 또는 ext4나 xfs에 있는 다른 상태 폴더를 쓰세요")))
		}
		return preflight.Passed("one was mounted and unmounted", "하나를 마운트했다가 내렸습니다")
	}
	data, err := os.ReadFile(p.Path("proc/filesystems"))
	if err != nil || !slices.Contains(strings.Fields(string(data)), "overlay") {
		return p.Optional(preflight.Failed("modprobe overlay", "the kernel does not list it", "커널 목록에 없습니다"))
	}
	return preflight.Passed("the kernel lists it", "커널 목록에 있습니다")
}

// users are no condition: without, container machines work, and root on one is closer
// to being root of the host.
func (p hostChecks) users(context.Context) preflight.Result {
	if p.Host.EUID != 0 {
		return preflight.Passed("to be tried by root", "root로 실행해야 확인할 수 있습니다")
	}
	dir := p.Options.StateDir
	if dir == "" {
		dir = os.TempDir()
	}
	if err := p.probes.Users(dir); err != nil {
		return preflight.Warned(lang.T("uname -r; stat -f "+dir+"   # Linux 5.19 or newer, systemd 250 or newer, state folder on ext4, xfs or btrfs; or use virtual machines",
			"uname -r; stat -f "+dir+"   # Linux 5.19 이상, systemd 250 이상, 상태 폴더는 ext4, xfs, btrfs. 아니면 가상 머신을 쓰세요"),
			"root on a container machine is root of this host: "+err.Error(), "컨테이너 머신의 root가 이 호스트의 root입니다: "+err.Error())
	}
	return preflight.Passed("root on one is an ordinary user of this host", "머신의 root가 이 호스트에서는 일반 사용자입니다")
}

// neededControllers are what the nodes limit containers with.
var neededControllers = []string{"cpu", "memory", "pids"}

// cgroup finds the version and the controllers (cgroups(7)).
func (p hostChecks) cgroup(context.Context) preflight.Result {
	version, have := 2, ""
	if data, err := os.ReadFile(p.Path("sys/fs/cgroup/cgroup.controllers")); err == nil {
		have = string(data)
	} else {
		// Or hybrid, which has the controllers where version 1 has them.
		version = 1
		entries, _ := os.ReadDir(p.Path("sys/fs/cgroup")) // none: nothing is found, which is said below
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
		return p.Optional(preflight.Failed("cat /proc/cgroups   # "+lang.T("and switch them on at the kernel's command line: cgroup_enable=memory", "그리고 커널 명령줄에서 켜세요: cgroup_enable=memory"),
			fmt.Sprintf("version %d lacks %s", version, list), fmt.Sprintf("버전 %d에 %s이(가) 없습니다", version, list)))
	}
	return preflight.Passed(fmt.Sprintf("version %d with %s", version, strings.Join(neededControllers, ", ")),
		fmt.Sprintf("버전 %d, %s", version, strings.Join(neededControllers, ", ")))
}
