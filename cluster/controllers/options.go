package controllers

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"noriter.dev/noriter/cluster/component"
)

// Options are the flags of the controllers process. Names and defaults are those of
// kube-controller-manager where it has them (cmd/kube-controller-manager/app/options).
type Options struct {
	// Kubeconfig is the file with the server and the controllers' credentials.
	Kubeconfig string
	// ClusterCIDR is the IPv4 network that nodes get their pod addresses from.
	ClusterCIDR string
	// NodeCIDRMaskSize is how much of it each node gets, as a prefix length.
	NodeCIDRMaskSize int
	// ServiceCIDR is the network of ClusterIPs, which nodes never get a part of.
	ServiceCIDR string
	// ServiceAccountKeyFile is the private key that signs tokens kept in Secrets.
	ServiceAccountKeyFile string
	// RootCAFile is the certificate that pods get to check the API server with.
	RootCAFile string
	// Controllers says which loops run: "*" for all, "name" for one, "-name" for not.
	Controllers []string
	// LeaderElect makes this process work only while it holds the lease
	// kube-system/kube-controller-manager, so that several may run.
	LeaderElect bool
	Lease       component.LeaseTimes
	// HealthAddress is where /healthz is answered over plain HTTP; "" for nowhere.
	HealthAddress string
	// APITimeout is how long to wait at the start for the API server to be ready.
	APITimeout time.Duration
	// NodeMonitorGracePeriod is how long a node may be silent before it counts as
	// lost. It must be a multiple of the agents' heartbeat of 10 s, or one that is late
	// costs a node. NodeStartupGracePeriod is that of a node that has never reported.
	// NodeMonitorPeriod is how often to look.
	NodeMonitorGracePeriod, NodeStartupGracePeriod, NodeMonitorPeriod time.Duration
	// TerminatedPodGCThreshold is how many ended pods may stay.
	TerminatedPodGCThreshold int
}

// AddFlags defines the flags with their defaults.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Kubeconfig, "kubeconfig", "/etc/kubernetes/controller-manager.conf", "file with the API server's address and the controllers' credentials")
	fs.StringVar(&o.ClusterCIDR, "cluster-cidr", "10.244.0.0/16", "IPv4 network that nodes get their pod addresses from")
	fs.IntVar(&o.NodeCIDRMaskSize, "node-cidr-mask-size", 24, "prefix length of each node's part of it")
	fs.StringVar(&o.ServiceCIDR, "service-cluster-ip-range", "10.96.0.0/16", "network of the services' ClusterIPs")
	fs.StringVar(&o.ServiceAccountKeyFile, "service-account-private-key-file", "/etc/kubernetes/pki/sa.key", "private key that signs service-account tokens")
	fs.StringVar(&o.RootCAFile, "root-ca-file", "/etc/kubernetes/pki/ca.crt", "certificate of the authority that pods check the API server with")
	fs.StringSliceVar(&o.Controllers, "controllers", []string{"*"}, "loops to run: '*' for all, 'name' for one, '-name' for all but that; known are "+strings.Join(Names(), ", "))
	fs.BoolVar(&o.LeaderElect, "leader-elect", true, "work only while holding the lease kube-system/kube-controller-manager")
	o.Lease.AddFlags(fs)
	fs.StringVar(&o.HealthAddress, "health-address", "127.0.0.1:10257", "address to answer /healthz on over HTTP, empty for none")
	fs.DurationVar(&o.APITimeout, "api-timeout", 5*time.Minute, "how long to wait at the start for the API server")
	fs.DurationVar(&o.NodeMonitorGracePeriod, "node-monitor-grace-period", 50*time.Second, "how long a node may be silent before it counts as lost")
	fs.DurationVar(&o.NodeStartupGracePeriod, "node-startup-grace-period", 60*time.Second, "how long a new node may be silent before it counts as lost")
	fs.DurationVar(&o.NodeMonitorPeriod, "node-monitor-period", 5*time.Second, "how often to look whether nodes are silent")
	fs.IntVar(&o.TerminatedPodGCThreshold, "terminated-pod-gc-threshold", 12500, "how many ended pods may stay, 0 for all")
}

// Validate says what is wrong with the options: everything at once, so that it can be
// put right at once.
func (o *Options) Validate() error {
	var problems []error
	if o.Kubeconfig == "" {
		problems = append(problems, errors.New("--kubeconfig is empty: give the controllers' kubeconfig, usually /etc/kubernetes/controller-manager.conf"))
	}
	for flag, value := range map[string]string{"--cluster-cidr": o.ClusterCIDR, "--service-cluster-ip-range": o.ServiceCIDR} {
		if _, err := netip.ParsePrefix(value); err != nil {
			problems = append(problems, fmt.Errorf("%s %q is no network (want something like 10.244.0.0/16): %w", flag, value, err))
		}
	}
	if min(o.NodeMonitorGracePeriod, o.NodeStartupGracePeriod, o.NodeMonitorPeriod, o.APITimeout) <= 0 {
		problems = append(problems, errors.New("--node-monitor-grace-period, --node-startup-grace-period, --node-monitor-period and --api-timeout must be positive"))
	}
	if o.LeaderElect {
		problems = append(problems, o.Lease.Validate())
	}
	known := Names()
	for _, name := range o.Controllers {
		plain := strings.TrimPrefix(name, "-")
		if plain != "*" && !slices.Contains(known, canonical(plain)) {
			problems = append(problems, fmt.Errorf("--controllers names %q, which is none of %s", plain, strings.Join(known, ", ")))
		}
	}
	return errors.Join(problems...)
}

// enabled is true if the loop of that name is to run (upstream's IsControllerEnabled).
// What names it counts more than "*", wherever in the list it stands: "*,-deployment" and
// "-deployment,*" both run all but that one.
func (o *Options) enabled(name string) bool {
	all := false
	for _, entry := range o.Controllers {
		switch {
		case entry == "*":
			all = true
		case canonical(entry) == name:
			return true
		case strings.HasPrefix(entry, "-") && canonical(entry[1:]) == name:
			return false
		}
	}
	return all
}
