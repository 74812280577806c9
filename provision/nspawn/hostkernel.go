package nspawn

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// hostModules are what machines use of the host's kernel; a container can't
// load them. Built-in ones, or a host without modprobe, are no failure: what
// is missing shows where it is used.
var hostModules = []string{"overlay", "bridge", "br_netfilter", "nf_tables", "nf_conntrack", "veth", "nft_fib_inet", "nft_numgen", "nft_masq", "nft_reject_inet"}

// inotifyInstances is enough for ten machines: the kernel's 128 are shared by
// all processes of root, in machines too.
const inotifyInstances = 4096

// prepareHost makes the kernel ready for machines, as far as it lets us.
func prepareHost(ctx context.Context) {
	_ = exec.CommandContext(ctx, "modprobe", append([]string{"--quiet", "--all"}, hostModules...)...).Run()
	const file = "/proc/sys/fs/inotify/max_user_instances"
	b, err := os.ReadFile(file)
	if err != nil {
		return
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && n < inotifyInstances {
		_ = os.WriteFile(file, []byte(strconv.Itoa(inotifyInstances)), 0)
	}
}
