package apiserver

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	resourcev1 "k8s.io/api/resource/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	genericapiserver "k8s.io/apiserver/pkg/server"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	admissionregistrationrest "k8s.io/kubernetes/pkg/registry/admissionregistration/rest"
	appsrest "k8s.io/kubernetes/pkg/registry/apps/rest"
	authenticationrest "k8s.io/kubernetes/pkg/registry/authentication/rest"
	authorizationrest "k8s.io/kubernetes/pkg/registry/authorization/rest"
	autoscalingrest "k8s.io/kubernetes/pkg/registry/autoscaling/rest"
	batchrest "k8s.io/kubernetes/pkg/registry/batch/rest"
	certificatesrest "k8s.io/kubernetes/pkg/registry/certificates/rest"
	coordinationrest "k8s.io/kubernetes/pkg/registry/coordination/rest"
	discoveryrest "k8s.io/kubernetes/pkg/registry/discovery/rest"
	eventsrest "k8s.io/kubernetes/pkg/registry/events/rest"
	networkingrest "k8s.io/kubernetes/pkg/registry/networking/rest"
	noderest "k8s.io/kubernetes/pkg/registry/node/rest"
	policyrest "k8s.io/kubernetes/pkg/registry/policy/rest"
	rbacrest "k8s.io/kubernetes/pkg/registry/rbac/rest"
	resourcerest "k8s.io/kubernetes/pkg/registry/resource/rest"
	schedulingrest "k8s.io/kubernetes/pkg/registry/scheduling/rest"
	storagerest "k8s.io/kubernetes/pkg/registry/storage/rest"
)

// restStorage is what makes the handlers of one group, upstream's
// controlplane/apiserver.RESTStorageProvider.
type restStorage interface {
	GroupName() string
	NewRESTStorage(serverstorage.APIResourceConfigSource, generic.RESTOptionsGetter) (genericapiserver.APIGroupInfo, error)
}

// apiGroup is one API group that is served.
type apiGroup struct {
	// versions are the served ones with their rank within the group.
	versions []version
	// priority orders groups in discovery, so that `kubectl get deployments`
	// means those of apps. The numbers are upstream's.
	priority int32
	storage  func(*assembly) (restStorage, error)
}

type version struct {
	schema.GroupVersion
	priority int32
}

// only is a group that has one version.
func only(gv schema.GroupVersion) []version { return []version{{gv, 15}} }

// just is a storage that needs nothing of the assembly.
func just(s restStorage) func(*assembly) (restStorage, error) {
	return func(*assembly) (restStorage, error) { return s, nil }
}

// groups are Kubernetes' own groups: all that are stable. If a resource's name
// is in two groups, the one that comes first here is meant.
var groups = []apiGroup{
	{[]version{{v1.SchemeGroupVersion, 1}}, 18000, (*assembly).coreStorage},
	{only(authenticationv1.SchemeGroupVersion), 17700, func(a *assembly) (restStorage, error) {
		return authenticationrest.RESTStorageProvider{
			Authenticator: a.config.Authentication.Authenticator, APIAudiences: a.config.Authentication.APIAudiences,
		}, nil
	}},
	{only(authorizationv1.SchemeGroupVersion), 17600, func(a *assembly) (restStorage, error) {
		return authorizationrest.RESTStorageProvider{
			Authorizer: a.config.Authorization.Authorizer, RuleResolver: a.config.RuleResolver,
		}, nil
	}},
	{[]version{{autoscalingv2.SchemeGroupVersion, 30}, {autoscalingv1.SchemeGroupVersion, 15}}, 17500, just(autoscalingrest.RESTStorageProvider{})},
	{only(batchv1.SchemeGroupVersion), 17400, just(batchrest.RESTStorageProvider{})},
	{only(certificatesv1.SchemeGroupVersion), 17300, func(a *assembly) (restStorage, error) {
		return certificatesrest.RESTStorageProvider{Authorizer: a.config.Authorization.Authorizer}, nil
	}},
	{only(coordinationv1.SchemeGroupVersion), 16500, just(coordinationrest.RESTStorageProvider{})},
	{only(discoveryv1.SchemeGroupVersion), 16200, just(discoveryrest.StorageProvider{})},
	{only(networkingv1.SchemeGroupVersion), 17200, just(networkingrest.RESTStorageProvider{})},
	{only(nodev1.SchemeGroupVersion), 16300, just(noderest.RESTStorageProvider{})},
	{only(policyv1.SchemeGroupVersion), 17100, just(policyrest.RESTStorageProvider{})},
	{only(rbacv1.SchemeGroupVersion), 17000, func(a *assembly) (restStorage, error) {
		return rbacrest.RESTStorageProvider{Authorizer: a.config.Authorization.Authorizer}, nil
	}},
	{only(schedulingv1.SchemeGroupVersion), 16600, just(schedulingrest.RESTStorageProvider{})},
	{only(storagev1.SchemeGroupVersion), 16800, just(storagerest.RESTStorageProvider{})},
	{only(appsv1.SchemeGroupVersion), 17800, just(appsrest.StorageProvider{})},
	{only(admissionregistrationv1.SchemeGroupVersion), 16700, func(a *assembly) (restStorage, error) {
		return admissionregistrationrest.RESTStorageProvider{
			Authorizer: a.config.Authorization.Authorizer, DiscoveryClient: a.client.Discovery(),
		}, nil
	}},
	{only(eventsv1.SchemeGroupVersion), 17750, func(a *assembly) (restStorage, error) {
		return eventsrest.RESTStorageProvider{TTL: a.options.EventTTL}, nil
	}},
	{only(resourcev1.SchemeGroupVersion), 16200, func(a *assembly) (restStorage, error) {
		return resourcerest.RESTStorageProvider{
			NamespaceClient: a.client.CoreV1().Namespaces(), Authorizer: a.config.Authorization.Authorizer,
		}, nil
	}},
}

// servedResources turns the list into the form that upstream's code asks.
func servedResources() *serverstorage.ResourceConfig {
	c := serverstorage.NewResourceConfig()
	for _, g := range groups {
		for _, v := range g.versions {
			c.EnableVersions(v.GroupVersion)
		}
	}
	return c
}
