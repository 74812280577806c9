// Package proxy makes Services work on a node: it watches Services and
// EndpointSlices and keeps an nftables table that rewrites the destination of
// packets to a Service's address into that of one of its endpoints.
//
// It is this project's kube-proxy, and its table looks like that of
// kube-proxy's nftables mode (KEP-3866): maps from address, protocol and port to a
// chain, and chains that pick an endpoint. Read it with
//
//	nft list table ip kube-proxy
//
// The packets themselves never come by here: with the proxy stopped, Services
// work on as they were, and only changes go unnoticed.
//
// To read on: rules.go is what a Service becomes, base.go where packets enter,
// writer.go how the kernel is brought up to date.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	discoveryv1client "k8s.io/client-go/kubernetes/typed/discovery/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/knftables"

	"noriter.dev/noriter/cluster/backoff"
	"noriter.dev/noriter/cluster/component"
)

// After a failed change of the rules the next attempt waits, twice as long each time.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// apiWait is how often a proxy that waits for the API server says so.
const apiWait = 30 * time.Second

// Run proxies until ctx ends. The rules stay when it returns, so that a restart or an
// upgrade of the proxy breaks no connection.
func Run(ctx context.Context, o Options) error {
	config, err := component.ClientConfig(o.Kubeconfig, "nori-proxy")
	if err != nil {
		return err
	}
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client for Services: %w", err)
	}
	endpoints, err := discoveryv1client.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client for EndpointSlices: %w", err)
	}
	if err := waitForAPI(ctx, config); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	return run(ctx, o, listWatch(core.RESTClient(), "services"), listWatch(endpoints.RESTClient(), "endpointslices"), component.NotifyReady)
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

func run(ctx context.Context, o Options, services, endpointSlices cache.ListerWatcher, ready func() error) error {
	nft, err := knftables.New(knftables.IPv4Family, table)
	if err != nil {
		return fmt.Errorf("nftables can't be used on this node (is the package nftables installed, and does the kernel have it?): %w", err)
	}
	p := newProxier(o.Node, nil, newWriter(nft, o.ClusterCIDR, o.NodePortAddresses))
	health, err := serveHealth(ctx, o.HealthAddress, 2*o.SyncPeriod)
	if err != nil {
		return err
	}
	defer health.close()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := watch(ctx, p, services, endpointSlices); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	l := loop{
		proxier: p, options: o, health: health, ready: ready,
		retry: backoff.Pause{First: firstRetry, Most: lastRetry},
	}
	l.run(ctx)
	return nil
}

// informers is the source that Run uses.
type informers struct {
	services, endpointSlices cache.SharedIndexInformer
}

const byService = "service"

// watch starts the informers, connects them with p and returns when p knows
// everything that there is: rules written earlier would take away Services that work.
func watch(ctx context.Context, p *proxier, services, endpointSlices cache.ListerWatcher) error {
	i := &informers{
		services: cache.NewSharedIndexInformer(services, &corev1.Service{}, 0, cache.Indexers{}),
		endpointSlices: cache.NewSharedIndexInformer(endpointSlices, &discoveryv1.EndpointSlice{}, 0,
			cache.Indexers{byService: func(obj any) ([]string, error) {
				name, ok := serviceOf(obj)
				if !ok {
					return nil, nil
				}
				return []string{name.String()}, nil
			}}),
	}
	p.source = i
	var seen []cache.DoneChecker
	for _, informer := range []cache.SharedIndexInformer{i.services, i.endpointSlices} {
		if err := informer.SetTransform(slim); err != nil {
			return fmt.Errorf("setting up the watch: %w", err)
		}
		note := func(obj any) {
			if name, ok := serviceOf(obj); ok {
				p.changed(name)
			}
		}
		registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: note, DeleteFunc: note,
			// A slice may move to another Service: both are told.
			UpdateFunc: func(old, obj any) { note(old); note(obj) },
		})
		if err != nil {
			return fmt.Errorf("setting up the watch: %w", err)
		}
		seen = append(seen, registration.HasSyncedChecker())
		go informer.RunWithContext(ctx)
	}
	if !cache.WaitFor(ctx, "", seen...) {
		return errors.New("stopped while waiting for the list of Services and EndpointSlices")
	}
	return nil
}

// listWatch leaves out what is another proxy's, and the slices of headless
// Services, which nobody proxies (upstream's kube-proxy asks the same).
func listWatch(client rest.Interface, resource string) cache.ListerWatcher {
	return cache.NewFilteredListWatchFromClient(client, resource, metav1.NamespaceAll, func(o *metav1.ListOptions) {
		o.LabelSelector = "!service.kubernetes.io/service-proxy-name,!" + corev1.IsHeadlessService
	})
}

// slim drops what no rule depends on, before it takes up memory.
func slim(obj any) (any, error) {
	switch o := obj.(type) {
	case *corev1.Service:
		o.ManagedFields, o.Annotations, o.Labels, o.Spec.Selector = nil, nil, nil, nil
	case *discoveryv1.EndpointSlice:
		o.ManagedFields, o.Annotations, o.OwnerReferences = nil, nil, nil
		for i := range o.Endpoints {
			o.Endpoints[i].TargetRef, o.Endpoints[i].Hints, o.Endpoints[i].Zone = nil, nil, nil
		}
	}
	return obj, nil
}

// serviceOf names the Service that an object of either kind is about.
func serviceOf(obj any) (types.NamespacedName, bool) {
	if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	switch o := obj.(type) {
	case *corev1.Service:
		return types.NamespacedName{Namespace: o.Namespace, Name: o.Name}, true
	case *discoveryv1.EndpointSlice:
		name := o.Labels[discoveryv1.LabelServiceName]
		return types.NamespacedName{Namespace: o.Namespace, Name: name}, name != ""
	}
	return types.NamespacedName{}, false
}

func (i *informers) service(name types.NamespacedName) *corev1.Service {
	obj, exists, err := i.services.GetStore().GetByKey(name.String())
	if err != nil || !exists {
		return nil // the only error is of a key function, which is not used here
	}
	s, _ := obj.(*corev1.Service)
	return s
}

func (i *informers) slices(name types.NamespacedName) []*discoveryv1.EndpointSlice {
	objs, err := i.endpointSlices.GetIndexer().ByIndex(byService, name.String())
	if err != nil {
		slog.Error("looking up the slices of a Service", "service", name.String(), "error", err)
	}
	all := make([]*discoveryv1.EndpointSlice, 0, len(objs))
	for _, obj := range objs {
		if s, ok := obj.(*discoveryv1.EndpointSlice); ok {
			all = append(all, s)
		}
	}
	return all
}
