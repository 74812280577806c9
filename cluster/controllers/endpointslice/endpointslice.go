// Package endpointslice writes down which pods a Service has.
//
// A Service names pods by their labels. This loop turns that into addresses: it
// finds the pods, and keeps EndpointSlices that list them with their ports and
// whether they are ready. The proxy of every node and the DNS server read those, and
// never the pods. When a pod becomes ready or not, this is how traffic follows.
//
// A slice holds at most 100 endpoints, and an endpoint stays in the slice it is in:
// each slice that changes is sent to every node, so as few as possible should.
//
// endpoints.go makes the list of what there should be, reconciler.go compares it with the
// slices that exist.
//
// It follows pkg/controller/endpointslice and k8s.io/endpointslice of Kubernetes 1.37, and
// KEP-752.
package endpointslice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/controllers/loop"
	"noriter.dev/noriter/cluster/trace"
)

// managedBy marks our slices with upstream's name (ControllerName), so that what selects
// them works. Slices that somebody else writes for the same Service have another mark, and
// are left alone.
const managedBy = "endpointslice-controller.k8s.io"

// Controller is the loop. Its queue holds Services.
type Controller struct {
	client   kubernetes.Interface
	services corelisters.ServiceLister
	pods     corelisters.PodLister
	nodes    corelisters.NodeLister
	slices   discoverylisters.EndpointSliceLister
	events   record.EventRecorder
	loop     *loop.Loop
	writes   *loop.Writes
}

// New prepares the loop. The informers must be started afterwards.
func New(client kubernetes.Interface, factory informers.SharedInformerFactory, events record.EventRecorder, clk clock.WithTicker) (*Controller, error) {
	core, slices := factory.Core().V1(), factory.Discovery().V1().EndpointSlices()
	c := &Controller{
		client: client, events: events, writes: loop.NewWrites(clk),
		services: core.Services().Lister(), pods: core.Pods().Lister(), nodes: core.Nodes().Lister(), slices: slices.Lister(),
	}
	c.loop = loop.New("endpointslice-controller", clk, c.sync)
	if err := errors.Join(
		loop.Watch(core.Services().Informer(), c.loop.Handler()),
		loop.Watch(core.Pods().Informer(), c.podHandler()),
		loop.Watch(slices.Informer(), c.sliceHandler()),
		loop.Watch(core.Nodes().Informer(), c.nodeHandler(core.Services().Informer().GetStore())),
	); err != nil {
		return nil, fmt.Errorf("watching services and their pods: %w", err)
	}
	return c, nil
}

// podHandler queues the Services that select a pod. A Service does not own its pods, so
// that it is not an owner reference by which they are found, but the labels.
func (c *Controller) podHandler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { c.queueServicesOf(obj.(*v1.Pod)) },
		UpdateFunc: func(old, obj any) {
			if before, after := old.(*v1.Pod), obj.(*v1.Pod); matters(before, after) {
				c.queueServicesOf(before) // it may have left some of them
				c.queueServicesOf(after)
			}
		},
		DeleteFunc: loop.OnDelete(c.queueServicesOf),
	}
}

// sliceHandler queues the Service of a slice. Someone else may change or delete one; then
// it is put right.
func (c *Controller) sliceHandler() cache.ResourceEventHandler {
	queueService := func(slice *discoveryv1.EndpointSlice) {
		if slice.Labels[discoveryv1.LabelManagedBy] == managedBy && slice.Labels[discoveryv1.LabelServiceName] != "" {
			c.loop.AddKey(slice.Namespace + "/" + slice.Labels[discoveryv1.LabelServiceName])
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { queueService(obj.(*discoveryv1.EndpointSlice)) },
		UpdateFunc: func(_, obj any) { queueService(obj.(*discoveryv1.EndpointSlice)) },
		DeleteFunc: loop.OnDelete(func(slice *discoveryv1.EndpointSlice) {
			c.writes.Forget(slice.UID)
			queueService(slice)
		}),
	}
}

// nodeHandler queues all Services if a node has moved to another zone, which endpoints
// name. That happens when a node gets its first labels, and hardly ever after.
func (c *Controller) nodeHandler(services cache.Store) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(old, obj any) {
			if zoneOf(old.(*v1.Node)) != zoneOf(obj.(*v1.Node)) {
				c.loop.AddAll(services)
			}
		},
	}
}

// queueServicesOf queues the Services that select a pod (upstream's
// GetPodServiceMemberships).
func (c *Controller) queueServicesOf(pod *v1.Pod) {
	services, err := c.services.Services(pod.Namespace).List(labels.Everything())
	if err != nil {
		slog.Error("looking for the services of a pod", "pod", pod.Namespace+"/"+pod.Name, "error", err)
		return
	}
	for _, service := range services {
		if len(service.Spec.Selector) > 0 && labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			c.loop.Add(service)
		}
	}
}

// Run works until ctx ends. The informers' caches must have been filled.
func (c *Controller) Run(ctx context.Context, workers int) { c.loop.Run(ctx, workers) }

// sync makes the slices of one Service list what there is (upstream's syncService).
func (c *Controller) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return fmt.Errorf("reading key %q: %w", key, err)
	}
	service, err := c.services.Services(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil // the garbage collector deletes its slices
	}
	if err != nil {
		return fmt.Errorf("reading service %s: %w", key, err)
	}
	// Without a selector someone else says what the endpoints are; an external name
	// has none at all.
	if service.Spec.Selector == nil || service.Spec.Type == v1.ServiceTypeExternalName {
		return nil
	}
	pods, err := c.pods.Pods(namespace).List(labels.SelectorFromSet(service.Spec.Selector))
	if err != nil {
		return fmt.Errorf("listing the pods of service %s: %w", key, err)
	}
	existing, err := c.slicesOf(service)
	if err != nil {
		return err
	}
	// Slices are made with generated names. Before those we made are seen, we would
	// make them again.
	if wait := loop.Pending(c.writes, service.UID, existing); wait > 0 {
		c.loop.AddAfter(service, wait)
		return nil
	}

	plan := makePlan(service, c.endpoints(service, pods), existing)
	if err := c.finalize(ctx, service, plan); err != nil {
		c.events.Eventf(service, v1.EventTypeWarning, "FailedToUpdateEndpointSlices",
			"Error updating Endpoint Slices for Service %s/%s: %v", namespace, name, err)
		return err
	}
	return nil
}

// slicesOf returns the Service's slices that are ours. They are found by their labels: the
// owner reference is there for the garbage collector.
func (c *Controller) slicesOf(service *v1.Service) ([]*discoveryv1.EndpointSlice, error) {
	all, err := c.slices.EndpointSlices(service.Namespace).List(labels.SelectorFromSet(labels.Set{
		discoveryv1.LabelServiceName: service.Name, discoveryv1.LabelManagedBy: managedBy}))
	if err != nil {
		return nil, fmt.Errorf("listing the slices of service %s/%s: %w", service.Namespace, service.Name, err)
	}
	var ours []*discoveryv1.EndpointSlice
	for _, slice := range all {
		if slice.DeletionTimestamp == nil {
			ours = append(ours, slice)
		}
	}
	return ours, nil
}

// finalize writes a plan (upstream's function of the same name). What is added comes
// before what is taken away, so that no endpoint is missing in between.
func (c *Controller) finalize(ctx context.Context, service *v1.Service, p plan) error {
	slices := c.client.DiscoveryV1().EndpointSlices(service.Namespace)
	for _, slice := range p.create {
		created, err := slices.Create(ctx, slice, metav1.CreateOptions{})
		if apierrors.HasStatusCause(err, v1.NamespaceTerminatingCause) {
			return nil // nothing can be made here any more, and nothing needs to be
		}
		if err != nil {
			return fmt.Errorf("creating a slice: %w", err)
		}
		c.writes.Note(service.UID, created)
		c.decide(ctx, service, "new slice "+created.Name, created)
	}
	for _, slice := range p.update {
		updated, err := slices.Update(ctx, slice, metav1.UpdateOptions{})
		if err != nil {
			return fmt.Errorf("updating slice %s: %w", slice.Name, err)
		}
		c.writes.Note(service.UID, updated)
		c.decide(ctx, service, "changed slice "+updated.Name, updated)
	}
	for _, slice := range p.remove {
		if err := slices.Delete(ctx, slice.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting slice %s: %w", slice.Name, err)
		}
	}
	return nil
}

func (c *Controller) decide(ctx context.Context, service *v1.Service, what string, slice *discoveryv1.EndpointSlice) {
	ready := 0
	for _, e := range slice.Endpoints {
		if e.Conditions.Ready == nil || *e.Conditions.Ready {
			ready++
		}
	}
	trace.Decide(ctx, trace.For(service), what, fmt.Sprintf("%d endpoints, %d of them ready", len(slice.Endpoints), ready))
}
