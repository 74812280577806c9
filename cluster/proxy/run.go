package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"k8s.io/client-go/discovery"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	typeddiscoveryv1 "k8s.io/client-go/kubernetes/typed/discovery/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/knftables"

	"noriter.dev/noriter/cluster/backoff"
	"noriter.dev/noriter/cluster/component"
)

const (
	// After a failed change of the rules the next attempt waits, twice as long each time.
	// Upstream waits for its sync period, 30 s, from the first time on.
	firstRetry = 50 * time.Millisecond
	lastRetry  = 10 * time.Second

	// apiWait is how often a proxy that waits for the API server says so.
	apiWait = 30 * time.Second
)

// Run proxies until ctx ends (ProxyServer.Run in cmd/kube-proxy/app/server.go). The rules
// stay when it returns, so that a restart or an upgrade of the proxy breaks no connection.
func Run(ctx context.Context, o Options) error {
	config, err := component.ClientConfig(o.Kubeconfig, "nori-proxy")
	if err != nil {
		return err
	}
	core, err := typedcorev1.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client for Services: %w", err)
	}
	endpoints, err := typeddiscoveryv1.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client for EndpointSlices: %w", err)
	}
	if err := freeAPI(ctx, config.Host); err != nil {
		return err
	}
	if err := waitForAPI(ctx, config); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	return run(ctx, o, listWatch(core.RESTClient(), "services"), listWatch(endpoints.RESTClient(), "endpointslices"), component.NotifyReady)
}

// freeAPI makes sure that the API server can be reached at its machine's address,
// whatever an earlier proxy wrote for a Service that named this address: without the
// API server nobody would learn that the Service is gone.
func freeAPI(ctx context.Context, server string) error {
	u, err := url.Parse(server)
	if err != nil {
		return fmt.Errorf("reading the API server's address: %w", err)
	}
	address, ok := ipv4(u.Hostname())
	if !ok {
		return nil // a name, of which no rule can be
	}
	nft, err := openTable()
	if err != nil {
		return err
	}
	return newWriter(nft, "", nil).free(ctx, address)
}

func openTable() (knftables.Interface, error) {
	nft, err := knftables.New(knftables.IPv4Family, kubeProxyTable)
	if err != nil {
		return nil, fmt.Errorf("nftables can't be used on this node (is the package nftables installed, and does the kernel have it?): %w", err)
	}
	return nft, nil
}

// waitForAPI returns when the API server is ready, or with ctx. Until then it
// would refuse the lists (its default roles are made last), and the informers
// would come back only after a second and more. An API server that stays away is
// no reason to give up: what is in the kernel works without it.
func waitForAPI(ctx context.Context, config *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client for the API server's readiness: %w", err)
	}
	for {
		err := component.WaitForAPI(ctx, client, apiWait)
		if err == nil || ctx.Err() != nil {
			return err
		}
		slog.Warn("Services stay as they are in the kernel", "error", err)
	}
}

// run is Run with the API behind two lists that can be watched.
func run(ctx context.Context, o Options, services, endpointSlices cache.ListerWatcher, ready func() error) error {
	nft, err := openTable()
	if err != nil {
		return err
	}
	p := newProxier(o.Node, nil, newWriter(nft, o.ClusterCIDR, o.NodePortAddresses))
	for _, cidr := range o.OwnCIDRs {
		p.own = append(p.own, netip.MustParsePrefix(cidr)) // Validate has parsed it
	}
	health, err := serveHealth(ctx, o.HealthAddress, 2*o.SyncPeriod)
	if err != nil {
		return err
	}
	defer health.close()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := startWatching(ctx, p, services, endpointSlices); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	runner := syncRunner{
		proxier: p, options: o, health: health, ready: ready,
		retry: backoff.Pause{First: firstRetry, Most: lastRetry},
	}
	runner.run(ctx)
	return nil
}
