package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/pflag"
)

// Options configures the proxy. Flags have upstream's names (kube-proxy(8)).
type Options struct {
	// Kubeconfig is how the API server is reached.
	Kubeconfig string
	// Node is this node's name, by which local endpoints are known.
	Node string
	// ClusterCIDR is the pods' range. What reaches a ClusterIP from outside of it
	// is masqueraded, so that the answer finds its way back. Empty: nothing is.
	ClusterCIDR string
	// OwnCIDRs are the networks of the machines, Services and pods. No Service gets
	// what is sent to an address in them because it names it as an external one.
	OwnCIDRs []string
	// NodePortAddresses are the ranges of this node's addresses on which node
	// ports answer; empty means all but loopback.
	NodePortAddresses []string
	// SyncPeriod is how often the kernel's rules are compared with what they
	// should be, in case somebody else changed them.
	SyncPeriod time.Duration
	// MinSyncPeriod is the pause between two changes of the rules; what happens
	// during it is put into one transaction. Upstream's default, 1 s, is for clusters of
	// thousands of Services; here it would be a second of looking at an old rule.
	MinSyncPeriod time.Duration
	// HealthAddress is where /healthz answers (host:port); empty means nowhere.
	HealthAddress string
}

// AddFlags registers the flags and sets the defaults.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	host, err := os.Hostname()
	if err != nil {
		host = "" // Validate asks for the flag
	}
	fs.StringVar(&o.Kubeconfig, "kubeconfig", "/etc/kubernetes/kube-proxy.conf", "file that says how to reach the API server")
	fs.StringVar(&o.Node, "hostname-override", host, "name of this node")
	fs.StringVar(&o.ClusterCIDR, "cluster-cidr", "10.244.0.0/16", "the pods' address range; traffic to ClusterIPs from elsewhere is masqueraded")
	fs.StringSliceVar(&o.OwnCIDRs, "own-cidrs", nil, "networks of the machines, Services and pods: external addresses in them are ignored")
	fs.StringSliceVar(&o.NodePortAddresses, "nodeport-addresses", nil, "ranges of this node's addresses on which node ports answer (default: all but loopback)")
	fs.DurationVar(&o.SyncPeriod, "sync-period", 30*time.Second, "how often the kernel's rules are checked against what they should be")
	fs.DurationVar(&o.MinSyncPeriod, "min-sync-period", 20*time.Millisecond, "pause between two changes of the rules")
	fs.StringVar(&o.HealthAddress, "healthz-bind-address", "0.0.0.0:10256", "where /healthz answers; empty for nowhere")
}

// Validate names everything that is wrong.
func (o *Options) Validate() error {
	var problems []error
	if o.Kubeconfig == "" {
		problems = append(problems, errors.New("--kubeconfig is empty: name the proxy's kubeconfig"))
	}
	if o.Node == "" {
		problems = append(problems, errors.New("--hostname-override is empty: name this node"))
	}
	if o.ClusterCIDR != "" {
		problems = append(problems, checkIPv4Range("--cluster-cidr", o.ClusterCIDR))
	}
	for _, cidr := range o.OwnCIDRs {
		problems = append(problems, checkIPv4Range("--own-cidrs", cidr))
	}
	for _, cidr := range o.NodePortAddresses {
		problems = append(problems, checkIPv4Range("--nodeport-addresses", cidr))
	}
	if o.SyncPeriod <= 0 {
		problems = append(problems, fmt.Errorf("--sync-period is %s: want more than 0", o.SyncPeriod))
	}
	if o.MinSyncPeriod < 0 || o.MinSyncPeriod > o.SyncPeriod {
		problems = append(problems, fmt.Errorf("--min-sync-period is %s: want from 0 to --sync-period (%s)", o.MinSyncPeriod, o.SyncPeriod))
	}
	if o.HealthAddress != "" {
		if _, _, err := net.SplitHostPort(o.HealthAddress); err != nil {
			problems = append(problems, fmt.Errorf("--healthz-bind-address: %w", err))
		}
	}
	return errors.Join(problems...)
}

// checkIPv4Range says which flag holds no IPv4 range.
func checkIPv4Range(flag, value string) error {
	prefix, err := netip.ParsePrefix(value)
	if err != nil {
		return fmt.Errorf("%s: %w (want a range such as 10.244.0.0/16)", flag, err)
	}
	if !prefix.Addr().Is4() {
		return fmt.Errorf("%s: %s is not an IPv4 range; this proxy serves IPv4", flag, value)
	}
	return nil
}
