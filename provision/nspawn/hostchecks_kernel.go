package nspawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/preflight"
)

// Container machines have the host's kernel, so what a node needs of it is looked for
// on the host.

// oldestKernel is what upstream's nftables mode of kube-proxy asks for; ours writes
// the same kinds of rules.
var oldestKernel = [2]int{5, 13}

func (p hostChecks) kernel(context.Context) preflight.Result {
	release := p.Word("proc/sys/kernel/osrelease")
	major, minor, ok := kernelVersion(release)
	if !ok {
		return preflight.Warned("", fmt.Sprintf("its version is not known (%q)", release), fmt.Sprintf("버전을 알 수 없습니다 (%q)", release))
	}
	if major < oldestKernel[0] || major == oldestKernel[0] && minor < oldestKernel[1] {
		return p.Optional(preflight.Failed(lang.T("uname -r   # and boot a newer kernel", "uname -r   # 그리고 더 새로운 커널로 부팅하세요"),
			fmt.Sprintf("%s is too old: Services need %d.%d or later", release, oldestKernel[0], oldestKernel[1]),
			fmt.Sprintf("%s은(는) 너무 오래됐습니다. 서비스에는 %d.%d 이상이 필요합니다", release, oldestKernel[0], oldestKernel[1])))
	}
	return preflight.Passed(release, release)
}

// kernelVersion reads "6.1.0-18-amd64".
func kernelVersion(release string) (major, minor int, ok bool) {
	first, rest, _ := strings.Cut(release, ".")
	second := rest
	if i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		second = rest[:i]
	}
	major, err1 := strconv.Atoi(first)
	minor, err2 := strconv.Atoi(second)
	return major, minor, err1 == nil && err2 == nil
}

// powers are the capabilities (capability.h) without which no machine boots.
var powers = []struct {
	name string
	bit  uint
}{
	{"CAP_NET_ADMIN", unix.CAP_NET_ADMIN}, {"CAP_SYS_CHROOT", unix.CAP_SYS_CHROOT},
	{"CAP_SYS_ADMIN", unix.CAP_SYS_ADMIN}, {"CAP_MKNOD", unix.CAP_MKNOD},
}

// privileges says whether root here is root of the machine: in a container it may be
// root in name.
func (p hostChecks) privileges(context.Context) preflight.Result {
	if p.Host.EUID != 0 {
		return preflight.Passed("to be tried by root", "root로 실행해야 확인할 수 있습니다")
	}
	remedy := preflight.OwnMachine()
	if ids := strings.Fields(p.Word("proc/self/uid_map")); len(ids) == 3 && ids[2] != "4294967295" {
		return p.Optional(preflight.Failed(remedy, "root of a user namespace, which is not the machine's", "사용자 네임스페이스의 root이며, 머신의 root가 아닙니다"))
	}
	effective := uint64(0)
	for line := range strings.Lines(p.Word("proc/self/status")) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			effective, _ = strconv.ParseUint(strings.TrimSpace(hex), 16, 64) // what is no number has no bit
		}
	}
	var missing []string
	for _, c := range powers {
		if effective&(1<<c.bit) == 0 {
			missing = append(missing, c.name)
		}
	}
	if len(missing) > 0 {
		list := strings.Join(missing, ", ")
		return p.Optional(preflight.Failed(remedy, "root here lacks "+list, "이곳의 root에는 "+list+"이(가) 없습니다"))
	}
	return preflight.Passed("all that machines need", "머신에 필요한 권한이 모두 있습니다")
}

// selinux: a container machine's files have no labels that a policy knows.
func (p hostChecks) selinux(context.Context) preflight.Result {
	if p.Word("sys/fs/selinux/enforce") == "1" {
		return preflight.Warned(lang.T("sudo setenforce 0   # until the next boot, if machines don't come up", "sudo setenforce 0   # 머신이 켜지지 않으면. 다음 부팅까지 유지됩니다"),
			"enforces: not tried with container machines, and systemd-nspawn is known to be refused things by Fedora's policy",
			"적용 중(enforcing)입니다. 컨테이너 머신으로 시험해 보지 않았고, Fedora의 정책이 systemd-nspawn의 동작을 막는다고 알려져 있습니다")
	}
	return preflight.Passed("does not enforce", "적용하지 않습니다")
}

// rules loads what a node's proxy loads, as far as this host lets us try.
func (p hostChecks) rules(ctx context.Context) preflight.Result {
	if p.Host.EUID != 0 {
		return preflight.Passed("to be tried by root", "root로 실행해야 확인할 수 있습니다")
	}
	nft, err := p.Host.Look("nft")
	if err != nil {
		r := p.Program("nft")
		r.Status = preflight.Warn // the machines have one of their own
		return r
	}
	err = p.probes.Rules(ctx, nft)
	if errors.Is(err, unix.EPERM) {
		return p.Optional(preflight.Failed(preflight.OwnMachine(), err.Error(), err.Error()))
	}
	if err != nil {
		return p.Optional(preflight.Failed(lang.T("modprobe -a nf_tables nft_fib_inet nft_numgen nft_masq nft_reject_inet   # or a kernel that has them", "modprobe -a nf_tables nft_fib_inet nft_numgen nft_masq nft_reject_inet   # 또는 이것들이 있는 커널"),
			"the kernel does not take a Service's rules: "+err.Error(), "커널이 서비스의 규칙을 받아들이지 않습니다: "+err.Error()))
	}
	return preflight.Passed("the kernel takes a Service's rules", "커널이 서비스의 규칙을 받아들입니다")
}

// serviceRules use what the proxy uses (cluster/proxy): maps of verdicts, a choice at
// random, masquerading, refusals, sets that time out.
const serviceRules = `table ip nori-try {
	set seen { type ipv4_addr; flags dynamic, timeout; timeout 10s; }
	map ports { type inet_proto . inet_service : verdict; }
	chain one { meta l4proto tcp dnat to 192.0.2.7:80; }
	chain pick { numgen random mod 2 vmap { 0 : goto one, 1 : goto one }; }
	chain services {
		type nat hook prerouting priority dstnat;
		update @seen { ip saddr };
		fib daddr type local meta l4proto . th dport vmap @ports;
	}
	chain masquerading { type nat hook postrouting priority srcnat; meta mark & 0x4000 == 0x4000 masquerade fully-random; }
	chain refusals { type filter hook forward priority filter; ct state new ip daddr 192.0.2.8 reject; }
}
`

func tryRules(ctx context.Context, nft string) error {
	return preflight.Apart(unix.CLONE_NEWNET, func() error {
		cmd := exec.CommandContext(ctx, nft, "-f", "-")
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		cmd.Stdin = strings.NewReader(serviceRules)
		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return lang.Errorf("%s: %w", "%s: %w", first, err)
	})
}
