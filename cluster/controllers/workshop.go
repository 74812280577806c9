package controllers

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
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

// workshop is what the loops are made with: clients, and caches that they share.
type workshop struct {
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

func newWorkshop(ctx context.Context, o Options, client kubernetes.Interface) (*workshop, error) {
	config, err := component.JSONConfig(o.Kubeconfig, "kube-controller-manager")
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a metadata client: %w", err)
	}
	w := &workshop{
		options: o, client: client, metadata: metadataClient, clock: clock.RealClock{}, started: make(chan struct{}),
		mapper:      restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery())),
		broadcaster: record.NewBroadcaster(record.WithContext(ctx)),
		typed:       informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(component.Slim)),
		leases: informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(component.Slim),
			informers.WithNamespace(v1.NamespaceNodeLease)),
	}
	w.mixed = mixedFactory{typed: w.typed,
		metadata: metadatainformer.NewSharedInformerFactoryWithOptions(metadataClient, 0, metadatainformer.WithTransform(component.Slim))}
	w.tokenSecrets = onlyNamed(w, "type="+string(v1.SecretTypeServiceAccountToken))
	w.rootCAs = onlyNamed(w, "metadata.name="+rootcacertpublisher.RootCACertConfigMapName)
	w.broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	return w, nil
}

// events makes a recorder whose events say that they come from component.
func (w *workshop) events(component string) record.EventRecorder {
	return w.broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: component})
}

func (w *workshop) factories() []informers.SharedInformerFactory {
	return []informers.SharedInformerFactory{w.typed, w.leases, w.tokenSecrets, w.rootCAs}
}

// start runs all informers that the loops have asked for and waits until those of
// ours are filled. Upstream's loops wait for theirs by themselves.
func (w *workshop) start(ctx context.Context) error {
	for _, factory := range w.factories() {
		factory.Start(ctx.Done())
	}
	w.mixed.Start(ctx.Done())
	close(w.started)
	for _, factory := range w.factories() {
		for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
			if !synced {
				return fmt.Errorf("the cache of %v was not filled: %w", kind, context.Cause(ctx))
			}
		}
	}
	return nil
}

func (w *workshop) stop() {
	for _, factory := range w.factories() {
		factory.Shutdown()
	}
	w.broadcaster.Shutdown()
}

// wholeObjects are the kinds that loops read whole anyway. The garbage collector and
// quotas, which look at every kind there is, use the same caches for them; of all
// other kinds they need only metadata, which takes a tenth of the memory.
var wholeObjects = map[schema.GroupResource]bool{
	{Resource: "pods"}: true, {Resource: "nodes"}: true, {Resource: "namespaces"}: true,
	{Resource: "services"}: true, {Resource: "endpoints"}: true, {Resource: "serviceaccounts"}: true,
	{Resource: "replicationcontrollers"}: true, {Resource: "resourcequotas"}: true,
	{Resource: "persistentvolumeclaims"}:                           true, // their size counts
	{Resource: "persistentvolumes"}:                                true,
	{Group: "apps", Resource: "replicasets"}:                       true,
	{Group: "apps", Resource: "deployments"}:                       true,
	{Group: "apps", Resource: "daemonsets"}:                        true,
	{Group: "apps", Resource: "controllerrevisions"}:               true,
	{Group: "batch", Resource: "jobs"}:                             true,
	{Group: "discovery.k8s.io", Resource: "endpointslices"}:        true,
	{Group: "rbac.authorization.k8s.io", Resource: "clusterroles"}: true,
}

// mixedFactory is the informerfactory.InformerFactory of upstream's loops.
type mixedFactory struct {
	typed    informers.SharedInformerFactory
	metadata metadatainformer.SharedInformerFactory
}

// ForResource returns the informer of a kind.
func (f mixedFactory) ForResource(resource schema.GroupVersionResource) (informers.GenericInformer, error) {
	if wholeObjects[resource.GroupResource()] {
		if informer, err := f.typed.ForResource(resource); err == nil {
			return informer, nil
		}
	}
	return f.metadata.ForResource(resource), nil
}

// Start runs the informers that have been asked for since the last call.
func (f mixedFactory) Start(stop <-chan struct{}) {
	f.typed.Start(stop)
	f.metadata.Start(stop)
}
