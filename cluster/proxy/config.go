package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// watcher keeps a copy of all Services and EndpointSlices (ServiceConfig and
// EndpointSliceConfig in pkg/proxy/config/config.go). It is the source that Run uses.
type watcher struct {
	services, endpointSlices cache.SharedIndexInformer
}

// byService is the index by which the slices of one Service are found.
const byService = "service"

// startWatching starts the informers, connects them with p and returns when p knows
// everything that there is. Rules written earlier would take away Services that work: the
// kernel's table is complete from the proxy that ran before.
func startWatching(ctx context.Context, p *proxier, services, endpointSlices cache.ListerWatcher) error {
	w := &watcher{
		services: cache.NewSharedIndexInformer(services, &v1.Service{}, 0, cache.Indexers{}),
		endpointSlices: cache.NewSharedIndexInformer(endpointSlices, &discoveryv1.EndpointSlice{}, 0,
			cache.Indexers{byService: func(obj any) ([]string, error) {
				name, ok := serviceOf(obj)
				if !ok {
					return nil, nil
				}
				return []string{name.String()}, nil
			}}),
	}
	p.source = w
	var seen []cache.DoneChecker
	for _, informer := range []cache.SharedIndexInformer{w.services, w.endpointSlices} {
		if err := informer.SetTransform(slim); err != nil {
			return fmt.Errorf("setting up the watch: %w", err)
		}
		note := func(obj any) {
			if name, ok := serviceOf(obj); ok {
				p.serviceChanged(name)
			}
		}
		registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: note, DeleteFunc: note,
			// A slice may move to another Service: both have changed.
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
// Services, which nobody proxies (cmd/kube-proxy/app/server.go asks the same).
func listWatch(client rest.Interface, resource string) cache.ListerWatcher {
	return cache.NewFilteredListWatchFromClient(client, resource, metav1.NamespaceAll, func(o *metav1.ListOptions) {
		o.LabelSelector = "!service.kubernetes.io/service-proxy-name,!" + v1.IsHeadlessService
	})
}

// slim drops what no rule depends on, before it takes up memory: every node keeps a copy
// of all Services of the cluster.
func slim(obj any) (any, error) {
	switch o := obj.(type) {
	case *v1.Service:
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
	case *v1.Service:
		return types.NamespacedName{Namespace: o.Namespace, Name: o.Name}, true
	case *discoveryv1.EndpointSlice:
		name := o.Labels[discoveryv1.LabelServiceName]
		return types.NamespacedName{Namespace: o.Namespace, Name: name}, name != ""
	}
	return types.NamespacedName{}, false
}

func (w *watcher) service(name types.NamespacedName) *v1.Service {
	obj, exists, err := w.services.GetStore().GetByKey(name.String())
	if err != nil || !exists {
		return nil // the only error is of a key function, which is not used here
	}
	s, _ := obj.(*v1.Service)
	return s
}

func (w *watcher) slices(name types.NamespacedName) []*discoveryv1.EndpointSlice {
	objs, err := w.endpointSlices.GetIndexer().ByIndex(byService, name.String())
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
