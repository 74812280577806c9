package controllers

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	quota "k8s.io/apiserver/pkg/quota/v1"
	"k8s.io/apiserver/pkg/quota/v1/generic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/endpoint"
	"k8s.io/kubernetes/pkg/controller/endpointslicemirroring"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/resourcequota"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/controller/ttlafterfinished"
	"k8s.io/kubernetes/pkg/controller/volume/pvcprotection"
	"k8s.io/kubernetes/pkg/controller/volume/pvprotection"
	"k8s.io/kubernetes/pkg/controller/volume/vacprotection"
	evaluators "k8s.io/kubernetes/pkg/quota/v1/evaluator/core"
	quotainstall "k8s.io/kubernetes/pkg/quota/v1/install"
	tokens "k8s.io/kubernetes/pkg/serviceaccount"

	"noriter.dev/noriter/cluster/component"
)

const (
	// discoverEvery is how often the garbage collector and quotas look for new kinds of
	// objects, such as custom resources.
	discoverEvery = 30 * time.Second
	// quotaResync is how often quotas are counted anew, in case something was missed.
	quotaResync = 5 * time.Minute
	// namespaceResync is how often namespaces that are being deleted are looked at again.
	namespaceResync = 5 * time.Minute
	// mirroredPerSubset is how many addresses of a hand-written Endpoints are mirrored:
	// kube-controller-manager's default for --mirroring-max-endpoints-per-subset.
	mirroredPerSubset = 1000
)

// makeServiceAccounts gives every namespace its service account "default".
func makeServiceAccounts(ctx context.Context, w *workshop) (func(context.Context) error, error) {
	c, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx), w.typed.Core().V1().ServiceAccounts(),
		w.typed.Core().V1().Namespaces(), w.client, serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { c.Run(ctx, 1); return nil }, nil
}

// makeServiceAccountTokens fills Secrets of type service-account-token.
func makeServiceAccountTokens(ctx context.Context, w *workshop) (func(context.Context) error, error) {
	key, err := keyutil.PrivateKeyFromFile(w.options.ServiceAccountKeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the service-account key (--service-account-private-key-file): %w", err)
	}
	generator, err := tokens.JWTTokenGenerator(tokens.LegacyIssuer, key)
	if err != nil {
		return nil, fmt.Errorf("making a token generator: %w", err)
	}
	ca, err := readCA(w.options.RootCAFile)
	if err != nil {
		return nil, err
	}
	c, err := serviceaccount.NewTokensController(klog.FromContext(ctx), w.typed.Core().V1().ServiceAccounts(), w.tokenSecrets.Core().V1().Secrets(), w.client,
		serviceaccount.TokensControllerOptions{TokenGenerator: generator, RootCA: ca})
	if err != nil {
		return nil, err
	}
	return withWorkers(c.Run), nil
}

// makeRootCA puts the ConfigMap kube-root-ca.crt into every namespace.
func makeRootCA(_ context.Context, w *workshop) (func(context.Context) error, error) {
	ca, err := readCA(w.options.RootCAFile)
	if err != nil {
		return nil, err
	}
	c, err := rootcacertpublisher.NewPublisher(w.rootCAs.Core().V1().ConfigMaps(), w.typed.Core().V1().Namespaces(), w.client, ca)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { c.Run(ctx, 1); return nil }, nil
}

func readCA(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the root certificate (--root-ca-file): %w", err)
	}
	if _, err := cert.ParseCertsPEM(data); err != nil {
		return nil, fmt.Errorf("--root-ca-file %s holds no certificate: %w", path, err)
	}
	return data, nil
}

// makeNamespaces deletes what is in a namespace that is being deleted.
func makeNamespaces(ctx context.Context, w *workshop) (func(context.Context) error, error) {
	c := namespace.NewNamespaceController(ctx, w.client, w.metadata, w.client.Discovery().ServerPreferredNamespacedResources,
		w.typed.Core().V1().Namespaces(), namespaceResync, v1.FinalizerKubernetes)
	return func(ctx context.Context) error { c.Run(ctx, 10); return nil }, nil
}

// makeEndpoints keeps the older Endpoints of services, beside their EndpointSlices.
func makeEndpoints(ctx context.Context, w *workshop) (func(context.Context) error, error) {
	c := endpoint.NewEndpointController(ctx, w.typed.Core().V1().Pods(), w.typed.Core().V1().Services(), w.typed.Core().V1().Endpoints(), w.client, 0)
	return withWorkers(c.Run), nil
}

// makeEndpointSliceMirrors copies Endpoints that somebody wrote by hand, for a
// Service without a selector, into EndpointSlices: the proxy reads nothing else.
func makeEndpointSliceMirrors(ctx context.Context, w *workshop) (func(context.Context) error, error) {
	core := w.typed.Core().V1()
	c := endpointslicemirroring.NewController(ctx, core.Endpoints(), w.typed.Discovery().V1().EndpointSlices(), core.Services(),
		mirroredPerSubset, w.client, 0)
	return withWorkers(c.Run), nil
}

// makeClusterRoles fills ClusterRoles that are the sum of others, such as "admin".
func makeClusterRoles(_ context.Context, w *workshop) (func(context.Context) error, error) {
	c := clusterroleaggregation.NewClusterRoleAggregation(w.typed.Rbac().V1().ClusterRoles(), w.client.RbacV1())
	return withWorkers(c.Run), nil
}

// makeTTLAfterFinished deletes Jobs that ended ttlSecondsAfterFinished ago.
func makeTTLAfterFinished(ctx context.Context, w *workshop) (func(context.Context) error, error) {
	c := ttlafterfinished.New(ctx, w.typed.Batch().V1().Jobs(), w.client)
	return withWorkers(c.Run), nil
}

// makeClaimProtection lets claims go that no pod uses. Admission gives each one
// a finalizer, so without it a deleted claim, and its namespace, would stay.
func makeClaimProtection(ctx context.Context, w *workshop) (func(context.Context) error, error) {
	core := w.typed.Core().V1()
	c, err := pvcprotection.NewPVCProtectionController(klog.FromContext(ctx), core.PersistentVolumeClaims(), core.Pods(), w.client)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { c.Run(ctx, 1); return nil }, nil
}

// makeVolumeProtection does for volumes that no claim is bound to what
// makeClaimProtection does for claims.
func makeVolumeProtection(ctx context.Context, w *workshop) (func(context.Context) error, error) {
	c, err := pvprotection.NewPVProtectionController(klog.FromContext(ctx), w.typed.Core().V1().PersistentVolumes(), w.client)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { c.Run(ctx, 1); return nil }, nil
}

// makeVolumeClassProtection does the same for VolumeAttributesClasses.
func makeVolumeClassProtection(ctx context.Context, w *workshop) (func(context.Context) error, error) {
	core := w.typed.Core().V1()
	c, err := vacprotection.NewVACProtectionController(klog.FromContext(ctx), w.client, core.PersistentVolumeClaims(), core.PersistentVolumes(),
		w.typed.Storage().V1().VolumeAttributesClasses())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { c.Run(ctx, 1); return nil }, nil
}

// makeResourceQuota counts what counts against quotas.
func makeResourceQuota(ctx context.Context, w *workshop) (func(context.Context) error, error) {
	lister := generic.ListerFuncForResourceFunc(w.mixed.ForResource)
	// Device claims are left out: they would need two more caches that nobody fills.
	withoutClaims := func(resource schema.GroupVersionResource) bool { return resource.Resource != "resourceclaims" }
	all, err := evaluators.NewEvaluators(lister, w.typed, withoutClaims)
	if err != nil {
		return nil, err
	}
	var configuration quota.Configuration = generic.NewConfiguration(all, quotainstall.DefaultIgnoredResources())
	discover := w.client.Discovery().ServerPreferredNamespacedResources
	c, err := resourcequota.NewController(ctx, &resourcequota.ControllerOptions{
		QuotaClient: w.client.CoreV1(), ResourceQuotaInformer: w.typed.Core().V1().ResourceQuotas(),
		ResyncPeriod: func() time.Duration { return quotaResync }, ReplenishmentResyncPeriod: func() time.Duration { return 0 },
		InformerFactory: w.mixed, InformersStarted: w.started, DiscoveryFunc: discover,
		IgnoredResourcesFunc: configuration.IgnoredResources, Registry: generic.NewRegistry(configuration.Evaluators()),
		UpdateFilter: quotainstall.DefaultUpdateFilter(),
	})
	if err != nil {
		return nil, err
	}
	return both(func(ctx context.Context) { c.Run(ctx, workers) },
		func(ctx context.Context) { c.Sync(ctx, discover, discoverEvery) }), nil
}

// makeGarbageCollector deletes what belongs to something that is gone.
func makeGarbageCollector(ctx context.Context, w *workshop) (func(context.Context) error, error) {
	graph := garbagecollector.NewDependencyGraphBuilder(ctx, w.metadata, w.mapper, garbagecollector.DefaultIgnoredResources(), w.mixed, w.started)
	c, err := garbagecollector.NewComposedGarbageCollector(ctx, w.client, w.metadata, w.mapper, graph)
	if err != nil {
		return nil, err
	}
	return both(func(ctx context.Context) { c.Run(ctx, 20, discoverEvery) },
		func(ctx context.Context) { c.Sync(ctx, w.client.Discovery(), discoverEvery) }), nil
}

func both(runs ...func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		var running sync.WaitGroup
		for _, run := range runs {
			running.Go(func() { run(ctx) })
		}
		running.Wait()
		return nil
	}
}

// onlyNamed makes a factory whose informers hold a single name or type of objects.
func onlyNamed(w *workshop, selector string) informers.SharedInformerFactory {
	return informers.NewSharedInformerFactoryWithOptions(w.client, 0, informers.WithTransform(component.Slim),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.FieldSelector = selector }))
}
