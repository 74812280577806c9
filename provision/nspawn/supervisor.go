package nspawn

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/internal/tail"
)

// supervisor is the script that runs the machine. A lock keeps a second one
// from starting beside it.
func (m *node) supervisor(g group, n record) string {
	var enter, leave, clean strings.Builder
	sup, own := g.child(keeperGroup), g.child(payloadGroup)
	for _, h := range g.trees {
		keepTop, remake := "-mindepth 1 ", ""
		if h.v2 {
			// A group that was divided takes no process any more.
			keepTop, remake = "", "; mkdir "+shell.Quote(own.dir(h))
		}
		fmt.Fprintf(&enter, "echo $$ > %s\n", shell.Quote(filepath.Join(sup.dir(h), "cgroup.procs")))
		fmt.Fprintf(&leave, "\t\techo 0 > %s\n", shell.Quote(filepath.Join(own.dir(h), "cgroup.procs")))
		fmt.Fprintf(&clean, "\tfind %s %s-depth -type d -exec rmdir {} + 2>/dev/null%s\n", shell.Quote(own.dir(h)), keepTop, remake)
	}
	return `# Keeps machine ` + m.name + ` running. Written by nori at each start.
exec 9> ` + shell.Quote(filepath.Join(m.dir, "lock")) + ` < /dev/null
flock -n 9 || exit 75
trap '' HUP INT
` + enter.String() + `{ while :; do
	(
` + leave.String() + `		exec systemd-nspawn ` + shell.Join(m.nspawnArgs(n)...) + `
	) 9>&-
	code=$?
	# What the machine's own cgroups left would greet its next boot.
` + clean.String() + `	# 133: the machine rebooted itself.
	[ $code = 133 ] || break
done
echo $code > ` + shell.Quote(m.exitFile()) + `
} 2>&1 | ` + keepEnd(m.console(), m.olderConsole())
}

// consolePieces is of how many pieces, of 4 KiB at most, each half of the console is.
const consolePieces = 1024

// keepEnd is the part of a script that keeps the end of what it reads: what a machine
// prints has none. A file that is full becomes the older half.
func keepEnd(file, older string) string {
	return fmt.Sprintf(`{
	while dd bs=4096 count=%d of=%[2]s status=none && [ -s %[2]s ]; do mv -f %[2]s %[3]s; done
	mv -f %[3]s %[2]s
	cat > /dev/null # if it can't be kept, the machine goes on
} 9>&-
`, consolePieces, shell.Quote(file), shell.Quote(older))
}

// nspawnArgs is the machine's command line. What each is for:
// systemd-nspawn(1); a node needs most privileges, as the kubelet does, but none over
// what the host has once: clock, modules, hardware.
func (m *node) nspawnArgs(n record) []string {
	args := []string{
		"--quiet", "--register=no", "--keep-unit", "--boot",
		"--directory=" + m.root(), "--machine=" + m.unit(), "--hostname=" + m.name,
		"--network-bridge=" + m.p.bridge(),
		"--bind=" + strings.ReplaceAll(m.containerd(), ":", `\:`) + ":/var/lib/containerd",
		"--capability=all", "--drop-capability=" + strings.Join(notForMachines, ","), "--system-call-filter=add_key keyctl bpf",
		"--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only",
		// systemd 256 and later refuse cgroup v1 unless told.
		"--setenv=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
	}
	if n.Users != 0 {
		args = append(args, fmt.Sprintf("--private-users=%d:%d", n.Users, userIDs), "--private-users-ownership=off")
	}
	return args
}

// notForMachines are the capabilities (capabilities(7)) that no node needs. Where a
// machine has users of its own they would mean nothing; elsewhere they mean the host.
var notForMachines = []string{
	"CAP_SYS_TIME", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
	"CAP_MAC_ADMIN", "CAP_MAC_OVERRIDE", "CAP_AUDIT_CONTROL", "CAP_AUDIT_READ", "CAP_SYSLOG",
}

// exitDetail says how the machine ended, as far as is known.
func (m *node) exitDetail() string {
	b, err := os.ReadFile(m.exitFile())
	if err != nil {
		return lang.T("switched off", "전원이 꺼짐")
	}
	if code := strings.TrimSpace(string(b)); code != "0" {
		return lang.Textf("systemd-nspawn ended with exit status %s", "systemd-nspawn이 종료 상태 %s(으)로 끝남", code).String()
	}
	return lang.T("powered off by itself", "스스로 전원을 끔")
}

// consoleTailBytes is how much of the console goes into an error.
const consoleTailBytes = 2000

// consoleTail is the end of what the machine printed while booting.
func (m *node) consoleTail() string {
	text, err := tail.Of(m.console(), consoleTailBytes)
	if err != nil {
		return err.Error()
	}
	return text
}
