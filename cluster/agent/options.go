package agent

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Options say how the agent of one node runs. Flags have the kubelet's names where
// the kubelet has them.
type Options struct {
	// Kubeconfig is how the API server is reached, as system:node:NAME.
	Kubeconfig string
	// NetworkKubeconfig is how all nodes are watched for the routes to their pods,
	// which a node's own identity may not.
	NetworkKubeconfig string
	// NodeName is the name of the Node; "" means the host's.
	NodeName string
	// NodeIP is the node's address; "" means that of the default route.
	NodeIP string
	// RuntimeEndpoint is the container runtime's socket, as a URL.
	RuntimeEndpoint string
	// RootDir holds the pods' volumes and the agent's own files.
	RootDir string
	// PodLogDir and ContainerLogDir hold the logs and the links to them.
	PodLogDir, ContainerLogDir string

	// ClusterDNS are the addresses of the DNS service, ClusterDomain its domain.
	ClusterDNS    []string
	ClusterDomain string
	// ResolvConf is the node's resolver configuration; "" for none.
	ResolvConf string
	// ClusterCIDR holds the pod networks of all nodes.
	ClusterCIDR string
	// CNIConfDir is where the runtime looks for its network configuration.
	CNIConfDir string

	// Labels and Taints are put on the Node when it registers.
	Labels map[string]string
	Taints []string
	// MaxPods is how many pods the node takes.
	MaxPods int64
	// LeaseSeconds is for how long one renewal of the node's lease holds: the kubelet's
	// nodeLeaseDurationSeconds. It is renewed four times as often.
	LeaseSeconds int32
	// CapacityMemory is the node's memory where the kernel shows another, such as
	// "1536Mi"; "" means what the kernel shows.
	CapacityMemory string
	// CapacityCPU is how many of the processors that the kernel shows the node may use; 0
	// means all.
	CapacityCPU int
	// SeccompDefault filters the system calls of containers that ask for no profile by
	// the runtime's own profile, as the kubelet's seccompDefault does.
	SeccompDefault bool
	// CgroupRoot is the parent of the pods' cgroups, CgroupDriver how the runtime
	// names them: cgroupfs or systemd.
	CgroupRoot, CgroupDriver string

	// Address is where the node's API listens; its certificates are ClientCAFile,
	// TLSCertFile and TLSKeyFile.
	Address                               string
	ClientCAFile, TLSCertFile, TLSKeyFile string
	// HealthAddress answers /healthz; "" for none.
	HealthAddress string

	// ImageGCHigh and ImageGCLow are percentages of disk usage: above the one,
	// unused images are removed until the other. 100 is never.
	ImageGCHigh, ImageGCLow int
	// LogMaxSize is the size in bytes at which a container's log is rotated,
	// LogMaxFiles how many are kept.
	LogMaxSize  string
	LogMaxFiles int
	// StartTimeout is how long the container runtime may take to answer.
	StartTimeout time.Duration
}

// AddFlags declares the options as flags, with their defaults.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Kubeconfig, "kubeconfig", "/etc/kubernetes/kubelet.conf", "how to reach the API server, as system:node:NAME")
	fs.StringVar(&o.NetworkKubeconfig, "network-kubeconfig", "/etc/kubernetes/kube-proxy.conf", "identity that may watch all nodes, for the routes between them")
	fs.StringVar(&o.NodeName, "hostname-override", "", "name of the node (default: the host's name)")
	fs.StringVar(&o.NodeIP, "node-ip", "", "address of the node (default: that of the default route)")
	fs.StringVar(&o.RuntimeEndpoint, "container-runtime-endpoint", "unix:///run/containerd/containerd.sock", "socket of the container runtime")
	fs.StringVar(&o.RootDir, "root-dir", "/var/lib/kubelet", "directory for volumes and the agent's own files")
	fs.StringVar(&o.PodLogDir, "pod-logs-dir", "/var/log/pods", "directory for the logs of pods")
	fs.StringVar(&o.ContainerLogDir, "container-logs-dir", "/var/log/containers", "directory for links to the logs of containers")
	fs.StringSliceVar(&o.ClusterDNS, "cluster-dns", []string{"10.96.0.10"}, "addresses of the cluster's DNS service")
	fs.StringVar(&o.ClusterDomain, "cluster-domain", "cluster.local", "domain of the cluster")
	fs.StringVar(&o.ResolvConf, "resolv-conf", "/etc/resolv.conf", "the node's resolver configuration, which pods get a part of")
	fs.StringVar(&o.ClusterCIDR, "cluster-cidr", "10.244.0.0/16", "network of all pods")
	fs.StringVar(&o.CNIConfDir, "cni-conf-dir", "/etc/cni/net.d", "where the runtime reads its network configuration")
	fs.StringToStringVar(&o.Labels, "node-labels", nil, "labels of the node, key=value,…")
	fs.StringSliceVar(&o.Taints, "register-with-taints", nil, "taints of the node when it registers, key=value:effect,…")
	fs.Int64Var(&o.MaxPods, "max-pods", 110, "how many pods the node takes")
	fs.Int32Var(&o.LeaseSeconds, "node-lease-duration-seconds", 40, "how many seconds one renewal of the node's lease holds")
	fs.StringVar(&o.CapacityMemory, "capacity-memory", "", "memory of the node, if the kernel shows another (1536Mi)")
	fs.IntVar(&o.CapacityCPU, "capacity-cpu", 0, "processors of the node, if the kernel shows more than it may use")
	fs.BoolVar(&o.SeccompDefault, "seccomp-default", false, "filter the system calls of containers that ask for no profile (RuntimeDefault)")
	fs.StringVar(&o.CgroupRoot, "cgroup-root", "", "cgroup under which pods have theirs")
	fs.StringVar(&o.CgroupDriver, "cgroup-driver", "cgroupfs", "how the runtime manages cgroups: cgroupfs or systemd")
	fs.StringVar(&o.Address, "address", ":10250", "where the node's own API listens")
	fs.StringVar(&o.ClientCAFile, "client-ca-file", "/etc/kubernetes/pki/ca.crt", "authorities whose clients may use the node's API")
	fs.StringVar(&o.TLSCertFile, "tls-cert-file", "", "certificate of the node's API (default: a self-signed one)")
	fs.StringVar(&o.TLSKeyFile, "tls-private-key-file", "", "key of the certificate")
	fs.StringVar(&o.HealthAddress, "healthz-address", "127.0.0.1:10248", "where health is answered; empty for nowhere")
	fs.IntVar(&o.ImageGCHigh, "image-gc-high-threshold", 100, "percentage of disk usage above which unused images are removed; 100 is never, because offline a removed image can't be pulled again")
	fs.IntVar(&o.ImageGCLow, "image-gc-low-threshold", 80, "percentage of disk usage down to which they are removed")
	fs.StringVar(&o.LogMaxSize, "container-log-max-size", "10Mi", "size at which a container's log is rotated")
	fs.IntVar(&o.LogMaxFiles, "container-log-max-files", 5, "how many files a container's log has at most")
	fs.DurationVar(&o.StartTimeout, "runtime-start-timeout", time.Minute, "how long to wait for the container runtime")
}

// Validate says everything that is wrong with the options, and how to correct it.
func (o *Options) Validate() error {
	var errs []error
	bad := func(flag, format string, args ...any) {
		errs = append(errs, fmt.Errorf("--"+flag+": "+format, args...))
	}
	if o.Kubeconfig == "" {
		bad("kubeconfig", "needed: the agent can't work without an API server")
	}
	if o.NodeIP != "" && net.ParseIP(o.NodeIP) == nil {
		bad("node-ip", "%q is no IP address", o.NodeIP)
	}
	for _, ip := range o.ClusterDNS {
		if net.ParseIP(ip) == nil {
			bad("cluster-dns", "%q is no IP address", ip)
		}
	}
	if !strings.HasPrefix(o.RuntimeEndpoint, "unix://") {
		bad("container-runtime-endpoint", "%q is no socket; write unix:///path/to/containerd.sock", o.RuntimeEndpoint)
	}
	for flag, dir := range map[string]string{"root-dir": o.RootDir, "pod-logs-dir": o.PodLogDir} {
		if !filepath.IsAbs(dir) {
			bad(flag, "%q must be an absolute path, because the runtime works elsewhere", dir)
		}
	}
	if o.CgroupDriver != "cgroupfs" && o.CgroupDriver != "systemd" {
		bad("cgroup-driver", "%q is neither cgroupfs nor systemd", o.CgroupDriver)
	}
	if o.MaxPods < 1 {
		bad("max-pods", "%d is too few", o.MaxPods)
	}
	if o.CapacityCPU < 0 {
		bad("capacity-cpu", "%d is no number of processors", o.CapacityCPU)
	}
	if o.LeaseSeconds < 1 {
		bad("node-lease-duration-seconds", "%d is too short", o.LeaseSeconds)
	}
	if _, err := o.taints(); err != nil {
		bad("register-with-taints", "%w", err)
	}
	for flag, size := range map[string]string{"capacity-memory": o.CapacityMemory, "container-log-max-size": o.LogMaxSize} {
		if _, err := bytesOf(size); err != nil {
			bad(flag, "%q is no size such as 512Mi", size)
		}
	}
	if o.ImageGCHigh < o.ImageGCLow || o.ImageGCHigh > 100 || o.ImageGCLow < 0 {
		bad("image-gc-high-threshold", "%d and --image-gc-low-threshold %d must be percentages, the first the higher", o.ImageGCHigh, o.ImageGCLow)
	}
	if (o.TLSCertFile == "") != (o.TLSKeyFile == "") {
		bad("tls-cert-file", "goes together with --tls-private-key-file")
	}
	return errors.Join(errs...)
}

// nodeName is the name the node registers as.
func (o *Options) nodeName() (string, error) {
	if o.NodeName != "" {
		return o.NodeName, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("finding the host's name (--hostname-override sets another): %w", err)
	}
	return strings.ToLower(strings.TrimSpace(name)), nil
}

// bytesOf reads a size such as 10Mi; "" is 0.
func bytesOf(size string) (int64, error) {
	if size == "" {
		return 0, nil
	}
	q, err := resource.ParseQuantity(size)
	if err != nil {
		return 0, err
	}
	if q.Sign() < 0 {
		return 0, fmt.Errorf("%s is negative", size)
	}
	return q.Value(), nil
}

// taints reads key[=value]:effect.
func (o *Options) taints() ([]v1.Taint, error) {
	var out []v1.Taint
	for _, text := range o.Taints {
		t, err := parseTaint(text)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func parseTaint(text string) (v1.Taint, error) {
	pair, effect, ok := strings.Cut(text, ":")
	key, value, _ := strings.Cut(pair, "=")
	if msgs := validation.IsQualifiedName(key); !ok || len(msgs) > 0 {
		return v1.Taint{}, fmt.Errorf("%q is no taint; write key=value:NoSchedule", text)
	}
	if msgs := validation.IsValidLabelValue(value); len(msgs) > 0 {
		return v1.Taint{}, fmt.Errorf("the value of taint %q is invalid: %s", text, strings.Join(msgs, "; "))
	}
	switch e := v1.TaintEffect(effect); e {
	case v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectNoExecute:
		return v1.Taint{Key: key, Value: value, Effect: e}, nil
	}
	return v1.Taint{}, fmt.Errorf("taint %q has no effect: NoSchedule, PreferNoSchedule or NoExecute after the colon", text)
}
