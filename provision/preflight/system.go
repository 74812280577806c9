package preflight

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/distro"
)

// debianHost is the remedy where a host can't be mended: another one, on this.
func debianHost() string {
	return lang.T("vagrant up   # a Debian host on this one", "vagrant up   # 이 호스트 위에 Debian 호스트를 만듭니다")
}

// OwnMachine is the remedy where root is root in name alone.
func OwnMachine() string {
	return lang.T("nori doctor   # on the machine itself, or in a container with --privileged", "nori doctor   # 머신에서 직접, 또는 --privileged 컨테이너에서")
}

// Module is what a check saw that needs a module of the kernel: the remedy loads it,
// unless it was the right to try that is missing.
func (p Prober) Module(err error, module, otherwise string) Result {
	if errors.Is(err, unix.EPERM) {
		return Failed(OwnMachine(), err.Error(), err.Error())
	}
	r := Failed(strings.TrimSpace("modprobe "+module+"   "+otherwise), err.Error(), err.Error())
	r.Fix = func(ctx context.Context) error { return p.Host.Run(ctx, "modprobe", module) }
	return r
}

// processors are those that Noriter's programs and images are made for. The tests
// have run on the first.
var processors = map[string]bool{"amd64": true, "arm64": false}

// system says whether Noriter was ever tried on what this host is.
func (p Prober) system(context.Context) Result {
	r := p.release()
	name := r.Name
	if name == "" {
		name = lang.T("a Linux that does not tell its name", "이름을 알 수 없는 리눅스")
	}
	name += ", " + p.Host.Arch
	_, known := r.Family()
	tried, processor := processors[p.Host.Arch]
	switch {
	case !processor:
		return Failed("", name+": there is nothing for this processor", name+": 이 프로세서용은 없습니다")
	case !known && p.musl():
		return Failed(debianHost(), name+": there is no systemd for its C library (musl), and so no container machine",
			name+": 이 시스템의 C 라이브러리(musl)에는 systemd가 없어서 컨테이너 머신을 만들 수 없습니다")
	case !known:
		return Warned(debianHost(), name+": not tried, and the names of its packages are not known; tried are "+distro.TriedNames(),
			name+": 시험해 보지 않았고 패키지 이름도 알 수 없습니다. 시험해 본 것: "+distro.TriedNames())
	case !r.Tried() || !tried:
		return Warned("", name+": not tried; tried are "+distro.TriedNames()+" on amd64", name+": 시험해 보지 않았습니다. 시험해 본 것: amd64의 "+distro.TriedNames())
	}
	return Passed(name, name)
}

// musl says whether programs here use that C library.
func (p Prober) musl() bool {
	found, _ := filepath.Glob(p.Path("lib", "ld-musl-*")) // the pattern is well formed
	return len(found) > 0
}

// init is only told: container machines need no systemd on the host, and libvirt's
// own check says what it lacks.
func (p Prober) init(context.Context) Result {
	if p.Systemd() {
		return Passed("systemd", "systemd입니다")
	}
	name := p.Word("proc/1/comm")
	return Passed(name+", not systemd: container machines need none, virtual ones need --isolated, which starts a libvirtd of its own",
		name+". systemd가 아닙니다. 컨테이너 머신에는 필요 없고, 가상 머신에는 전용 libvirtd를 시작하는 --isolated가 필요합니다")
}

// Systemd says whether systemd manages this host (sd_booted(3)).
func (p Prober) Systemd() bool {
	_, err := os.Stat(p.Path("run/systemd/system"))
	return err == nil
}

// inside says what this host runs in that is not as free as a machine of its own: WSL,
// or a container.
func (p Prober) inside(context.Context) Result {
	kernel := p.Word("proc/sys/kernel/osrelease")
	switch container := p.container(); {
	case strings.Contains(kernel, "Microsoft"): // WSL 2 says microsoft-standard
		return Failed(lang.T("wsl --set-version DISTRIBUTION 2   # in PowerShell", "wsl --set-version 배포판이름 2   # PowerShell에서"),
			"WSL 1, which has no Linux kernel", "WSL 1입니다. 리눅스 커널이 없습니다")
	case strings.Contains(kernel, "microsoft") && !p.Systemd():
		return Warned(`printf '[boot]\nsystemd=true\n' | sudo tee -a /etc/wsl.conf   # `+lang.T("then, in PowerShell: wsl --shutdown", "그다음 PowerShell에서: wsl --shutdown"),
			"WSL 2 without systemd, which lays out the control groups; WSL 2 was not tried", "systemd가 없는 WSL 2입니다. 컨트롤 그룹을 갖추려면 systemd가 필요합니다. WSL 2는 시험해 보지 않았습니다")
	case strings.Contains(kernel, "microsoft"):
		return Warned("", "WSL 2: not tried. Its kernel must have what the checks below try out; for virtual machines, .wslconfig needs nestedVirtualization=true",
			"WSL 2: 시험해 보지 않았습니다. 커널에는 아래에서 점검하는 기능이 있어야 하고, 가상 머신에는 .wslconfig의 nestedVirtualization=true가 필요합니다")
	case container != "":
		return Warned(debianHost(), "a container ("+container+"): not tried; it needs all of root's powers (--privileged), and control groups that it may write",
			"컨테이너("+container+"): 시험해 보지 않았습니다. root의 모든 권한(--privileged)과 쓸 수 있는 컨트롤 그룹이 필요합니다")
	}
	return Passed("neither a container nor WSL", "컨테이너도 WSL도 아닙니다")
}

// container names what made the container that this host is, if it is one.
func (p Prober) container() string {
	if name := p.Word("run/systemd/container"); name != "" {
		return name // systemd in it has found out: systemd-detect-virt(1)
	}
	for file, name := range map[string]string{".dockerenv": "docker", "run/.containerenv": "podman"} {
		// A machine whose disk was made from a container's image has the file, too.
		if _, err := os.Stat(p.Path(file)); err == nil && !p.ownDisk() {
			return name
		}
	}
	environ, _ := os.ReadFile(p.Path("proc/1/environ")) // only root may; without it there is nothing to say
	for v := range strings.SplitSeq(string(environ), "\x00") {
		if name, ok := strings.CutPrefix(v, "container="); ok {
			return name
		}
	}
	return ""
}

// ownDisk says whether the root is on a disk: a container's is an overlay, or a folder
// of the host's.
func (p Prober) ownDisk() bool {
	for line := range strings.Lines(p.Word("proc/self/mounts")) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "/" {
			return strings.HasPrefix(f[0], "/dev/")
		}
	}
	return false
}

// Word is the content of a file of one word; a file that is not there has none.
func (p Prober) Word(path string) string {
	data, err := os.ReadFile(p.Path(path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
