// Package netsetup makes the pods of all nodes one flat network, without overlay:
//
//   - it tells the container runtime, by a CNI configuration, to connect each pod
//     to its node by a pair of virtual interfaces (the plugin ptp) and to give it
//     an address of the node's own pod network (host-local);
//   - it keeps one route per other node: that node's pod network, by way of its
//     address;
//   - it lets traffic of pods that leaves the cluster take the node's address.
//
// Why ptp and not a bridge: a Service is an address that the sending node rewrites
// to that of a pod, and the answer has to pass the same node to be rewritten back.
// If both pods hang on one bridge, the answer takes the short way through it,
// arrives from an address that nobody asked, and the connection never opens, unless
// the kernel module br_netfilter sends bridged packets through the filters, which a
// machine that is a container can't load. With ptp every packet is routed.
package netsetup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/knftables"

	"noriter.dev/noriter/cluster/backoff"
)

const (
	// defaultConfDir is where runtimes look for CNI configurations.
	defaultConfDir = "/etc/cni/net.d"
	// defaultClusterCIDR holds the pod networks of all nodes.
	defaultClusterCIDR = "10.244.0.0/16"

	// gather lets the news of a cluster that starts arrive together, so that they cost one
	// change of the rules and not one each.
	gather = 20 * time.Millisecond
	// checkPeriod is how often it is looked whether routes and rules are still
	// there.
	checkPeriod = 15 * time.Second
	// retryPause follows an attempt that failed.
	retryPause = time.Second
)

// defaultBinDirs are where Debian and everybody else keep CNI plugins.
var defaultBinDirs = []string{"/usr/lib/cni", "/opt/cni/bin"}

// Config is what Run needs.
type Config struct {
	// Client lists and watches all nodes. The node authorizer doesn't let a
	// node's own identity do that: give it another, such as that of the proxy, or
	// a role.
	Client kubernetes.Interface
	// NodeName is the name of this machine's Node.
	NodeName string
	// ConfDir is where the CNI configuration goes; empty means defaultConfDir.
	ConfDir string
	// BinDirs are where the runtime looks for CNI plugins; empty means
	// defaultBinDirs.
	BinDirs []string
	// WithoutHostPorts leaves the plugin portmap out, which costs each pod some
	// 10 ms and makes a container's hostPort work.
	WithoutHostPorts bool
	// ClusterCIDR holds the pod networks of all nodes; empty means
	// defaultClusterCIDR. Traffic inside it keeps its source address.
	ClusterCIDR string
	// MTU of the pods' interfaces in bytes; zero means that of the interface
	// with the default route.
	MTU int

	// These are replaced in tests.
	nft        knftables.Interface
	routes     routeTable
	forwarding string
}

// peer is what has to be known of a node.
type peer struct {
	name string
	pods netip.Prefix // zero if it has none yet
	ip   netip.Addr   // zero if it has none yet
}

// Run sets the network up and keeps it so until ctx is done. What is set up stays,
// since pods run on while the agent restarts.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.complete(); err != nil {
		return err
	}
	if err := enableForwarding(cfg.forwarding); err != nil {
		return err
	}
	changed := make(chan struct{}, 1)
	store, informer := watchNodes(cfg.Client, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	go informer.RunWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return nil // ctx is done
	}
	s := &setup{cfg: cfg}
	for ctx.Err() == nil {
		pause := checkPeriod
		if err := s.sync(ctx, peers(store)); err != nil && ctx.Err() == nil {
			slog.Error("setting the pod network up failed, will try again", "in", retryPause, "error", err)
			pause = retryPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		case <-changed:
			_ = backoff.Wait(ctx, clock.RealClock{}, gather) // the loop ends with ctx
		}
	}
	return nil
}

// complete fills in defaults and refuses what can't work.
func (c *Config) complete() error {
	if c.NodeName == "" {
		return errors.New("the pod network needs the name of this node")
	}
	if c.ConfDir == "" {
		c.ConfDir = defaultConfDir
	}
	if c.BinDirs == nil {
		c.BinDirs = defaultBinDirs
	}
	if c.ClusterCIDR == "" {
		c.ClusterCIDR = defaultClusterCIDR
	}
	cidr, err := netip.ParsePrefix(c.ClusterCIDR)
	if err != nil || !cidr.Addr().Is4() {
		return fmt.Errorf("%q is not an IPv4 network such as %s; see --cluster-cidr", c.ClusterCIDR, defaultClusterCIDR)
	}
	if c.forwarding == "" {
		c.forwarding = "/proc/sys/net/ipv4/ip_forward"
	}
	if c.routes == nil {
		c.routes = kernelRoutes{}
	}
	if c.nft == nil {
		nft, err := knftables.New(knftables.IPv4Family, tableName)
		if err != nil {
			return fmt.Errorf("preparing nftables (is the package nftables installed?): %w", err)
		}
		c.nft = nft
	}
	return nil
}

// enableForwarding makes a router of the machine.
func enableForwarding(path string) error {
	now, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(now)) == "1" {
		return nil
	}
	if err := os.WriteFile(path, []byte("1\n"), 0o644); err != nil {
		return fmt.Errorf("enabling IP forwarding, without which pods reach nothing: %w", err)
	}
	return nil
}

// watchNodes follows all nodes, keeping of each only what peers reads.
func watchNodes(client kubernetes.Interface, changed func()) (cache.Store, cache.Controller) {
	nodes := client.CoreV1().Nodes()
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return nodes.List(ctx, o) },
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return nodes.Watch(ctx, o)
		},
	}
	return cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.ToListWatcherWithWatchListSemantics(source, client),
		ObjectType:    &v1.Node{},
		Transform:     slim,
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { changed() },
			UpdateFunc: func(old, now any) {
				a, _ := toPeer(old)
				if b, _ := toPeer(now); a != b {
					changed()
				}
			},
			DeleteFunc: func(any) { changed() },
		},
	})
}

// slim drops what isn't read.
func slim(obj any) (any, error) {
	node, ok := obj.(*v1.Node)
	if !ok {
		return obj, nil
	}
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: node.Name, UID: node.UID, ResourceVersion: node.ResourceVersion},
		Spec:       v1.NodeSpec{PodCIDR: node.Spec.PodCIDR},
		Status:     v1.NodeStatus{Addresses: node.Status.Addresses},
	}, nil
}

// peers are all nodes that were read.
func peers(store cache.Store) []peer {
	var all []peer
	for _, obj := range store.List() {
		if p, ok := toPeer(obj); ok {
			all = append(all, p)
		}
	}
	return all
}

// toPeer reads a Node. What can't be read counts as not there: the API server
// checks both fields, so it won't happen.
func toPeer(obj any) (peer, bool) {
	node, ok := obj.(*v1.Node)
	if !ok {
		return peer{}, false
	}
	p := peer{name: node.Name}
	if cidr, err := netip.ParsePrefix(node.Spec.PodCIDR); err == nil && cidr.Addr().Is4() {
		p.pods = cidr.Masked()
	}
	for _, a := range node.Status.Addresses {
		if ip, err := netip.ParseAddr(a.Address); err == nil && ip.Is4() && a.Type == v1.NodeInternalIP {
			p.ip = ip
			break
		}
	}
	return p, true
}

// setup is the state of a running Run.
type setup struct {
	cfg       Config
	hostPorts *bool // whether they can work, once that is known
}

// sync makes everything as it should be, each part whatever becomes of the others.
func (s *setup) sync(ctx context.Context, all []peer) error {
	var self peer
	for _, p := range all {
		if p.name == s.cfg.NodeName {
			self = p
		}
	}
	errs := []error{s.routes(ctx, all)}
	if self.pods.IsValid() {
		errs = append(errs, s.masquerade(ctx, self, all), s.conflist(ctx, self))
	}
	return errors.Join(errs...)
}

// mtu is that configured, or that of the interface with the default route, or Ethernet's.
func (s *setup) mtu() int {
	if s.cfg.MTU > 0 {
		return s.cfg.MTU
	}
	if mtu, err := s.cfg.routes.mtu(); err == nil && mtu > 0 {
		return mtu
	}
	return ethernetMTU
}

// ethernetMTU is the MTU of every network that nobody configured, in bytes.
const ethernetMTU = 1500

// ipNet is the form that netlink wants.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
