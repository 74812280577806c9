package nspawn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/preflight"
)

// Probes are what the host checks ask beside preflight.Host; tests put their
// own in their place.
type Probes struct {
	// Overlay mounts an overlay below a folder and unmounts it again.
	Overlay func(dir string) error
	// Rules loads the rules of a Service into a network namespace of its own, by
	// nft at a path.
	Rules func(ctx context.Context, nft string) error
}

// ThisHost asks the real things.
func ThisHost() Probes { return Probes{Overlay: tryOverlay, Rules: tryRules} }

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
		if err := p.probes.Overlay(dir); err != nil {
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

// tryOverlay mounts an overlay below a folder, or below the nearest one above it that
// exists, on a thread with a mount namespace of its own that ends with it.
func tryOverlay(dir string) error {
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		dir = filepath.Dir(dir)
	}
	tmp, err := os.MkdirTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(tmp, d), 0o755); err != nil {
			return err
		}
	}
	return preflight.Apart(unix.CLONE_NEWNS, func() error {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return lang.Errorf("making mounts private: %w", "마운트를 비공개로 만들기: %w", err)
		}
		opts := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", tmp)
		merged := filepath.Join(tmp, "merged")
		if err := unix.Mount("overlay", merged, "overlay", 0, opts); err != nil {
			return lang.Errorf("mounting an overlay: %w", "오버레이 마운트: %w", err)
		}
		return unix.Unmount(merged, 0)
	})
}
