package nspawn

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"noriter.dev/noriter/provision/netns"
)

// hostModules are what machines use of the host's kernel; a container can't
// load them. Built-in ones, or a host without modprobe, are no failure: what
// is missing shows where it is used.
var hostModules = []string{"overlay", "bridge", "br_netfilter", "nf_tables", "nf_conntrack", "veth", "nft_fib_inet", "nft_numgen", "nft_masq", "nft_reject_inet"}

// bridgeFilter is where br_netfilter says whether bridged packets pass the firewall.
const bridgeFilter = "/proc/sys/net/bridge"

// prepareHost makes the kernel ready for machines, as far as it lets us.
func prepareHost(ctx context.Context) {
	_, err := os.Stat(bridgeFilter)
	filtered := err == nil
	_ = exec.CommandContext(ctx, "modprobe", append([]string{"--quiet", "--all"}, hostModules...)...).Run()
	if !filtered {
		_ = netns.OnHost(leaveBridges)
	}
	hostInotify.raise()
}

// leaveBridges keeps the host's own bridges as they were before br_netfilter was
// loaded for the machines: from then on a firewall that forwards nothing, as Docker
// makes it, would cut them off. Each namespace has switches of its own, so that
// machines' stay on.
func leaveBridges() error {
	var errs []error
	for _, table := range []string{"iptables", "ip6tables", "arptables"} {
		err := os.WriteFile(filepath.Join(bridgeFilter, "bridge-nf-call-"+table), []byte("0"), 0)
		if !errors.Is(err, fs.ErrNotExist) { // there is no such module here
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
