package apiserver

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	extensions "k8s.io/apiextensions-apiserver/pkg/apiserver"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/client-go/tools/cache"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/kube-aggregator/pkg/apis/apiregistration/v1/helper"
	apiregistrationv1beta1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1beta1"
	aggregator "k8s.io/kube-aggregator/pkg/apiserver"
	aggregatorscheme "k8s.io/kube-aggregator/pkg/apiserver/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/typed/apiregistration/v1"
	informersv1 "k8s.io/kube-aggregator/pkg/client/informers/externalversions/apiregistration/v1"
	"k8s.io/kube-aggregator/pkg/controllers/autoregister"
	"k8s.io/kubernetes/pkg/controlplane/controller/crdregistration"
)

// registrationWorkers write APIServices at once; upstream's number.
const registrationWorkers = 5

// newAggregator makes the server that takes each request first. An APIService
// says who serves a group and version: the two servers behind it, or another
// one in the cluster, such as a metrics server.
func (a *assembly) newAggregator(kube *genericapiserver.GenericAPIServer, crds *extensions.CustomResourceDefinitions) (*aggregator.APIAggregator, error) {
	config := a.copyConfig()
	config.SkipOpenAPIInstallation = true // it serves the merged schema of all
	etcd := *a.etcd
	etcd.SkipHealthEndpoints = true
	etcd.StorageConfig.Codec = aggregatorscheme.Codecs.LegacyCodec(apiregistrationv1.SchemeGroupVersion, apiregistrationv1beta1.SchemeGroupVersion)
	etcd.StorageConfig.EncodeVersioner = runtime.NewMultiGroupVersioner(
		apiregistrationv1.SchemeGroupVersion, schema.GroupKind{Group: apiregistrationv1beta1.GroupName})
	if err := etcd.ApplyTo(&config); err != nil {
		return nil, err
	}
	config.MergedResourceConfig = aggregator.DefaultAPIResourceConfigSource()
	full := &aggregator.Config{
		GenericConfig: &genericapiserver.RecommendedConfig{Config: config, SharedInformerFactory: a.informers},
		ExtraConfig: aggregator.ExtraConfig{
			ProxyClientCertFile: a.options.ProxyClientCertFile, ProxyClientKeyFile: a.options.ProxyClientKeyFile,
			ServiceResolver: a.services, ProxyTransport: a.proxyTransport, RejectForwardingRedirects: true,
		},
	}
	agg, err := full.Complete().NewWithDelegate(kube)
	if err != nil {
		return nil, err
	}
	for gv, p := range priorities() {
		config.AggregatedDiscoveryGroupManager.SetGroupVersionPriority(metav1.GroupVersion(gv), int(p.group), int(p.version))
	}
	return agg, a.addRegistration(agg, kube, crds)
}

// rank is a group's place in discovery and a version's place in its group.
type rank struct{ group, version int32 }

// priorities are the ranks of what the two servers serve.
func priorities() map[schema.GroupVersion]rank {
	all := map[schema.GroupVersion]rank{apiextensionsv1.SchemeGroupVersion: {16700, 15}}
	for _, g := range groups {
		for _, v := range g.versions {
			all[v.GroupVersion] = rank{g.priority, v.priority}
		}
	}
	return all
}

// addRegistration keeps an APIService for each group and version that the
// server itself serves, custom resources included.
func (a *assembly) addRegistration(agg *aggregator.APIAggregator, kube *genericapiserver.GenericAPIServer, crds *extensions.CustomResourceDefinitions) error {
	client, err := apiregistration.NewForConfig(a.config.LoopbackClientConfig)
	if err != nil {
		return err
	}
	services := agg.APIRegistrationInformers.Apiregistration().V1().APIServices()
	registration := autoregister.NewAutoRegisterController(services, client)
	var names []string
	for _, s := range localAPIServices(kube.ListedPaths()) {
		registration.AddAPIServiceToSyncOnStart(s)
		names = append(names, s.Name)
	}
	ofCRDs := crdregistration.NewCRDRegistrationController(crds.Informers.Apiextensions().V1().CustomResourceDefinitions(), registration)
	err = agg.GenericAPIServer.AddPostStartHook("kube-apiserver-autoregistration", func(ctx genericapiserver.PostStartHookContext) error {
		go ofCRDs.Run(registrationWorkers, ctx.Done())
		go func() {
			// Custom resources first, or their APIServices would be deleted
			// as nobody's and made again.
			ofCRDs.WaitForInitialSync()
			registration.Run(registrationWorkers, ctx.Done())
		}()
		return nil
	})
	if err != nil {
		return err
	}
	check, err := availabilityCheck(names, services)
	if err != nil {
		return err
	}
	return agg.GenericAPIServer.AddBootSequenceHealthChecks(check)
}

// localAPIServices turns the paths that a server answers into the APIServices
// of its groups and versions.
func localAPIServices(paths []string) []*apiregistrationv1.APIService {
	ranks := priorities()
	var all []*apiregistrationv1.APIService
	for _, path := range paths {
		gv, ok := groupVersionOf(path)
		r, ranked := ranks[gv]
		if !ok || !ranked {
			continue
		}
		all = append(all, &apiregistrationv1.APIService{
			ObjectMeta: metav1.ObjectMeta{Name: gv.Version + "." + gv.Group},
			Spec: apiregistrationv1.APIServiceSpec{
				Group: gv.Group, Version: gv.Version, GroupPriorityMinimum: r.group, VersionPriority: r.version,
			},
		})
	}
	return all
}

// groupVersionOf reads /api/v1 and /apis/GROUP/VERSION.
func groupVersionOf(path string) (schema.GroupVersion, bool) {
	if path == "/api/v1" {
		return schema.GroupVersion{Version: "v1"}, true
	}
	parts := strings.Split(path, "/")
	if len(parts) != 4 || parts[1] != "apis" {
		return schema.GroupVersion{}, false
	}
	return schema.GroupVersion{Group: parts[2], Version: parts[3]}, true
}

// availabilityCheck fails until each of the APIServices has been seen available
// once: before that, discovery would show only some of the groups.
func availabilityCheck(names []string, services informersv1.APIServiceInformer) (healthz.HealthChecker, error) {
	var mu sync.Mutex
	missing := map[string]bool{}
	for _, n := range names {
		missing[n] = true
	}
	see := func(obj any) {
		s, ok := obj.(*apiregistrationv1.APIService)
		if !ok || !helper.IsAPIServiceConditionTrue(s, apiregistrationv1.Available) {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		delete(missing, s.Name)
	}
	_, err := services.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: see, UpdateFunc: func(_, obj any) { see(obj) },
	})
	if err != nil {
		return nil, err
	}
	return healthz.NamedCheck("autoregister-completion", func(*http.Request) error {
		mu.Lock()
		defer mu.Unlock()
		if len(missing) > 0 {
			return fmt.Errorf("missing APIService: %v", slices.Sorted(maps.Keys(missing)))
		}
		return nil
	}), nil
}
