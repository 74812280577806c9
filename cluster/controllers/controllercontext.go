package controllers

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/record"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/component"
)

// mapperReset is how often the known kinds of objects are forgotten, so that custom
// resources that were defined meanwhile are found. It is upstream's interval
// (cmd/kube-controller-manager/app/controllermanager.go).
const mapperReset = 30 * time.Second

// controllerContext is what the loops are made with (upstream's ControllerContext):
// clients, and caches that they share. A cache of a kind costs one watch and the memory
// of all its objects, so each kind has one, however many loops read it.
type controllerContext struct {
	options     Options
	client      kubernetes.Interface
	metadata    metadata.Interface
	mapper      meta.ResettableRESTMapper
	clock       clock.WithTicker
	broadcaster record.EventBroadcaster
	started     chan struct{} // closed when the informers run

	typed informers.SharedInformerFactory // whole objects
	mixed mixedFactory                    // of everything else, only the metadata
	// Of some kinds only a few objects matter; these caches hold no others.
	leases       informers.SharedInformerFactory // of the nodes
	tokenSecrets informers.SharedInformerFactory // service-account tokens
	rootCAs      informers.SharedInformerFactory // ConfigMaps kube-root-ca.crt
}

// newControllerContext makes the caches, empty. The informers have no resync: it would
// hand every object to every loop again and again, which only hides events that a loop
// should not have missed.
func newControllerContext(ctx context.Context, o Options, client kubernetes.Interface, metadataClient metadata.Interface) *controllerContext {
	typed := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(component.Slim))
	c := &controllerContext{
		options: o, client: client, metadata: metadataClient, clock: clock.RealClock{}, started: make(chan struct{}),
		mapper:      restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery())),
		broadcaster: record.NewBroadcaster(record.WithContext(ctx)),
		typed:       typed,
		mixed: mixedFactory{typed: typed, whole: readWhole(),
			metadata: metadatainformer.NewSharedInformerFactoryWithOptions(metadataClient, 0, metadatainformer.WithTransform(component.Slim))},
		leases: informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(component.Slim),
			informers.WithNamespace(v1.NamespaceNodeLease)),
		tokenSecrets: onlySelected(client, "type="+string(v1.SecretTypeServiceAccountToken)),
		rootCAs:      onlySelected(client, "metadata.name="+rootcacertpublisher.RootCACertConfigMapName),
	}
	c.broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	return c
}

// onlySelected makes a factory whose informers hold the objects that a field selector
// matches. The API server selects, so that the others are not even sent.
func onlySelected(client kubernetes.Interface, selector string) informers.SharedInformerFactory {
	return informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(component.Slim),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.FieldSelector = selector }))
}

// events makes a recorder whose events say that they come from component. The recorders
// share a broadcaster, which counts repeated events instead of writing each.
func (c *controllerContext) events(component string) record.EventRecorder {
	return c.broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: component})
}

func (c *controllerContext) factories() []informers.SharedInformerFactory {
	return []informers.SharedInformerFactory{c.typed, c.leases, c.tokenSecrets, c.rootCAs}
}

// start runs all informers that the loops have asked for and waits until those of
// ours are filled. Upstream's loops wait for theirs by themselves.
func (c *controllerContext) start(ctx context.Context) error {
	for _, factory := range c.factories() {
		factory.Start(ctx.Done())
	}
	c.mixed.Start(ctx.Done())
	close(c.started)
	for _, factory := range c.factories() {
		for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
			if !synced {
				return fmt.Errorf("the cache of %v was not filled: %w", kind, context.Cause(ctx))
			}
		}
	}
	return nil
}

// stop waits until the informers have ended, and hands on the last events.
func (c *controllerContext) stop() {
	for _, factory := range c.factories() {
		factory.Shutdown()
	}
	c.broadcaster.Shutdown()
}

// keepMapperFresh resets the mapper until ctx ends.
func (c *controllerContext) keepMapperFresh(ctx context.Context) error {
	ticker := c.clock.NewTicker(mapperReset)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			c.mapper.Reset()
		}
	}
}
