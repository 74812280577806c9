package controllers

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	quota "k8s.io/apiserver/pkg/quota/v1"
	"k8s.io/apiserver/pkg/quota/v1/generic"
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
)

// Periods and numbers of workers are kube-controller-manager's defaults
// (cmd/kube-controller-manager/app/core.go and pkg/controller/*/config/v1alpha1).
const (
	// discoverEvery is how often the garbage collector and quotas look for new kinds of
	// objects, such as custom resources. The garbage collector also waits that long, at the
	// start, for the caches of all kinds to be filled.
	discoverEvery = 30 * time.Second
	// quotaResync is how often quotas are counted anew, in case something was missed:
	// --resource-quota-sync-period.
	quotaResync = 5 * time.Minute
	// namespaceResync is how often namespaces that are being deleted are looked at again:
	// --namespace-sync-period.
	namespaceResync = 5 * time.Minute
	// namespaceWorkers is --concurrent-namespace-syncs. A worker waits while it deletes all
	// that is in one namespace.
	namespaceWorkers = 10
	// garbageWorkers is --concurrent-gc-syncs. Each object that is deleted may have
	// many dependents.
	garbageWorkers = 20
	// mirroredPerSubset is how many addresses of a hand-written Endpoints are mirrored:
	// --mirroring-max-endpoints-per-subset.
	mirroredPerSubset = 1000
)

// quotaCounts are the kinds of which fields count against quotas: what pods request, what
// Services open, what claims ask for. Of all others only the number of objects counts.
const quotaCounts = "pods services persistentvolumeclaims"

// makeServiceAccounts gives every namespace its service account "default". Pods that name
// none run as it, and none can be made before it exists.
func makeServiceAccounts(ctx context.Context, c *controllerContext) (run, error) {
	l, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx), c.typed.Core().V1().ServiceAccounts(),
		c.typed.Core().V1().Namespaces(), c.client, serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return nil, err
	}
	return withWorkers(1, l.Run), nil
}

// makeServiceAccountTokens fills Secrets of type service-account-token. Pods have not
// needed these since Kubernetes 1.22: their agent asks for tokens that end with the pod.
func makeServiceAccountTokens(ctx context.Context, c *controllerContext) (run, error) {
	key, err := keyutil.PrivateKeyFromFile(c.options.ServiceAccountKeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the service-account key (--service-account-private-key-file): %w", err)
	}
	generator, err := tokens.JWTTokenGenerator(tokens.LegacyIssuer, key)
	if err != nil {
		return nil, fmt.Errorf("making a token generator: %w", err)
	}
	ca, err := readCA(c.options.RootCAFile)
	if err != nil {
		return nil, err
	}
	l, err := serviceaccount.NewTokensController(klog.FromContext(ctx), c.typed.Core().V1().ServiceAccounts(), c.tokenSecrets.Core().V1().Secrets(), c.client,
		serviceaccount.TokensControllerOptions{TokenGenerator: generator, RootCA: ca})
	if err != nil {
		return nil, err
	}
	return withWorkers(workers, l.Run), nil
}

// makeRootCA puts the ConfigMap kube-root-ca.crt into every namespace. Each pod gets it
// beside its token, and checks the API server with it.
func makeRootCA(_ context.Context, c *controllerContext) (run, error) {
	ca, err := readCA(c.options.RootCAFile)
	if err != nil {
		return nil, err
	}
	l, err := rootcacertpublisher.NewPublisher(c.rootCAs.Core().V1().ConfigMaps(), c.typed.Core().V1().Namespaces(), c.client, ca)
	if err != nil {
		return nil, err
	}
	return withWorkers(1, l.Run), nil
}

// readCA checks what it reads: a wrong file would be noticed only by pods, much later.
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

// makeNamespaces deletes what is in a namespace that is being deleted, of whatever kind,
// and takes the namespace's finalizer off when nothing is left.
func makeNamespaces(ctx context.Context, c *controllerContext) (run, error) {
	l := namespace.NewNamespaceController(ctx, c.client, c.metadata, c.client.Discovery().ServerPreferredNamespacedResources,
		c.typed.Core().V1().Namespaces(), namespaceResync, v1.FinalizerKubernetes)
	return withWorkers(namespaceWorkers, l.Run), nil
}

// makeEndpoints keeps the older Endpoints of services, beside their EndpointSlices. The
// kind is deprecated since Kubernetes 1.33, and some programs still read it.
func makeEndpoints(ctx context.Context, c *controllerContext) (run, error) {
	l := endpoint.NewEndpointController(ctx, c.typed.Core().V1().Pods(), c.typed.Core().V1().Services(), c.typed.Core().V1().Endpoints(), c.client, 0)
	return withWorkers(workers, l.Run), nil
}

// makeEndpointSliceMirrors copies Endpoints that somebody wrote by hand, for a
// Service without a selector, into EndpointSlices: the proxy reads nothing else.
func makeEndpointSliceMirrors(ctx context.Context, c *controllerContext) (run, error) {
	core := c.typed.Core().V1()
	l := endpointslicemirroring.NewController(ctx, core.Endpoints(), c.typed.Discovery().V1().EndpointSlices(), core.Services(),
		mirroredPerSubset, c.client, 0)
	return withWorkers(workers, l.Run), nil
}

// makeClusterRoles fills ClusterRoles that are the sum of others, such as "admin".
func makeClusterRoles(_ context.Context, c *controllerContext) (run, error) {
	l := clusterroleaggregation.NewClusterRoleAggregation(c.typed.Rbac().V1().ClusterRoles(), c.client.RbacV1())
	return withWorkers(workers, l.Run), nil
}

// makeTTLAfterFinished deletes Jobs that ended ttlSecondsAfterFinished ago (KEP-592).
func makeTTLAfterFinished(ctx context.Context, c *controllerContext) (run, error) {
	l := ttlafterfinished.New(ctx, c.typed.Batch().V1().Jobs(), c.client)
	return withWorkers(workers, l.Run), nil
}

// makeClaimProtection lets claims go that no pod uses. Admission gives each one
// a finalizer, so without it a deleted claim, and its namespace, would stay.
func makeClaimProtection(ctx context.Context, c *controllerContext) (run, error) {
	core := c.typed.Core().V1()
	l, err := pvcprotection.NewPVCProtectionController(klog.FromContext(ctx), core.PersistentVolumeClaims(), core.Pods(), c.client)
	if err != nil {
		return nil, err
	}
	return withWorkers(1, l.Run), nil
}

// makeVolumeProtection does for volumes that no claim is bound to what
// makeClaimProtection does for claims.
func makeVolumeProtection(ctx context.Context, c *controllerContext) (run, error) {
	l, err := pvprotection.NewPVProtectionController(klog.FromContext(ctx), c.typed.Core().V1().PersistentVolumes(), c.client)
	if err != nil {
		return nil, err
	}
	return withWorkers(1, l.Run), nil
}

// makeVolumeClassProtection does the same for VolumeAttributesClasses.
func makeVolumeClassProtection(ctx context.Context, c *controllerContext) (run, error) {
	core := c.typed.Core().V1()
	l, err := vacprotection.NewVACProtectionController(klog.FromContext(ctx), c.client, core.PersistentVolumeClaims(), core.PersistentVolumes(),
		c.typed.Storage().V1().VolumeAttributesClasses())
	if err != nil {
		return nil, err
	}
	return withWorkers(1, l.Run), nil
}

// makeResourceQuota counts what counts against quotas, and writes the sum into each
// ResourceQuota's status. Admission compares with that and refuses what would be too much;
// this loop gives back what was deleted.
func makeResourceQuota(ctx context.Context, c *controllerContext) (run, error) {
	lister := generic.ListerFuncForResourceFunc(c.mixed.ForResource)
	// Device claims are left out: they would need two more caches that nobody fills.
	withoutClaims := func(resource schema.GroupVersionResource) bool { return resource.Resource != "resourceclaims" }
	all, err := evaluators.NewEvaluators(lister, c.typed, withoutClaims)
	if err != nil {
		return nil, err
	}
	var configuration quota.Configuration = generic.NewConfiguration(all, quotainstall.DefaultIgnoredResources())
	discover := c.client.Discovery().ServerPreferredNamespacedResources
	l, err := resourcequota.NewController(ctx, &resourcequota.ControllerOptions{
		QuotaClient: c.client.CoreV1(), ResourceQuotaInformer: c.typed.Core().V1().ResourceQuotas(),
		ResyncPeriod: func() time.Duration { return quotaResync }, ReplenishmentResyncPeriod: func() time.Duration { return 0 },
		InformerFactory: c.mixed, InformersStarted: c.started, DiscoveryFunc: discover,
		IgnoredResourcesFunc: configuration.IgnoredResources, Registry: generic.NewRegistry(configuration.Evaluators()),
		UpdateFilter: quotainstall.DefaultUpdateFilter(),
	})
	if err != nil {
		return nil, err
	}
	return both(func(ctx context.Context) { l.Run(ctx, workers) },
		func(ctx context.Context) { l.Sync(ctx, discover, discoverEvery) }), nil
}

// makeGarbageCollector deletes what belongs to something that is gone. It keeps a graph of
// all objects of all kinds by their owner references. The loops of ours rely on it: none
// deletes what it has made.
func makeGarbageCollector(ctx context.Context, c *controllerContext) (run, error) {
	graph := garbagecollector.NewDependencyGraphBuilder(ctx, c.metadata, c.mapper, garbagecollector.DefaultIgnoredResources(), c.mixed, c.started)
	l, err := garbagecollector.NewComposedGarbageCollector(ctx, c.client, c.metadata, c.mapper, graph)
	if err != nil {
		return nil, err
	}
	return both(func(ctx context.Context) { l.Run(ctx, garbageWorkers, discoverEvery) },
		func(ctx context.Context) { l.Sync(ctx, c.client.Discovery(), discoverEvery) }), nil
}

// both runs several functions at once, until all have ended.
func both(runs ...func(context.Context)) run {
	return func(ctx context.Context) error {
		var running sync.WaitGroup
		for _, run := range runs {
			running.Go(func() { run(ctx) })
		}
		running.Wait()
		return nil
	}
}
