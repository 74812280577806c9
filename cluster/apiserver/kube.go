package apiserver

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apiserver/pkg/endpoints/discovery"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/util/proxy"
	aggregator "k8s.io/kube-aggregator/pkg/apiserver"
	netutils "k8s.io/utils/net"

	// These put the types of every served group into the scheme.
	_ "k8s.io/kubernetes/pkg/apis/admission/install"
	_ "k8s.io/kubernetes/pkg/apis/admissionregistration/install"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/authentication/install"
	_ "k8s.io/kubernetes/pkg/apis/authorization/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/certificates/install"
	_ "k8s.io/kubernetes/pkg/apis/coordination/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/discovery/install"
	_ "k8s.io/kubernetes/pkg/apis/events/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/node/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	_ "k8s.io/kubernetes/pkg/apis/resource/install"
	_ "k8s.io/kubernetes/pkg/apis/scheduling/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
	corerest "k8s.io/kubernetes/pkg/registry/core/rest"
	"k8s.io/kubernetes/pkg/routes"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

const (
	// kubeletPort and kubeletTimeout reach node agents.
	kubeletPort    = 10250
	kubeletTimeout = 5 * time.Second
	// repairInterval is how often leaked Service addresses and ports are
	// looked for; upstream's value.
	repairInterval = 3 * time.Minute
	// maxTokenExtension is how long a bound token may outlive its expiry
	// while clients learn to reload it (KEP-1205).
	maxTokenExtension = serviceaccount.ExpirationExtensionSeconds * time.Second
)

// newKubeServer makes the server for Kubernetes' own groups. What it doesn't
// know it hands on to next.
func (a *assembly) newKubeServer(next genericapiserver.DelegationTarget) (*genericapiserver.GenericAPIServer, error) {
	a.config.DiscoveryAddresses = a.discoveryAddresses()
	a.config.SkipOpenAPIInstallation = true // ours is lazy
	server, err := a.config.Complete(a.informers).New("kube-apiserver", next)
	if err != nil {
		return nil, err
	}
	issuer, err := serviceaccount.NewOpenIDMetadataProvider(
		a.options.ServiceAccountIssuer, "", a.config.ExternalAddress, a.tokenKeys)
	if err != nil {
		return nil, fmt.Errorf("publishing the keys of service-account tokens: %w", err)
	}
	routes.NewOpenIDMetadataServer(issuer).Install(server.Handler.GoRestfulContainer)
	if err := a.installGroups(server); err != nil {
		return nil, err
	}
	installOpenAPI(server, a.config.OpenAPIConfig, a.config.OpenAPIV3Config)
	return server, a.addBootstrapHooks(server)
}

// installGroups makes the handlers of each group.
func (a *assembly) installGroups(server *genericapiserver.GenericAPIServer) error {
	var named []*genericapiserver.APIGroupInfo
	for _, g := range groups {
		storage, err := g.storage(a)
		if err != nil {
			return fmt.Errorf("group %q: %w", g.versions[0].Group, err)
		}
		info, err := storage.NewRESTStorage(a.config.MergedResourceConfig, a.config.RESTOptionsGetter)
		if err != nil {
			return fmt.Errorf("group %q: %w", storage.GroupName(), err)
		}
		info.PrioritizedVersions = slices.DeleteFunc(info.PrioritizedVersions, func(gv schema.GroupVersion) bool {
			return len(info.VersionedResourcesStorageMap[gv.Version]) == 0 // a beta that isn't served
		})
		if err := a.addStorageHook(server, storage); err != nil {
			return fmt.Errorf("group %q: %w", storage.GroupName(), err)
		}
		if storage.GroupName() == "" { // core is served under /api, for history's sake
			if err := server.InstallLegacyAPIGroup(genericapiserver.DefaultLegacyAPIPrefix, &info); err != nil {
				return fmt.Errorf("core group: %w", err)
			}
			continue
		}
		named = append(named, &info)
	}
	return server.InstallAPIGroups(named...)
}

// coreStorage makes the group with pods, services and nodes, which needs most:
// address and port allocators, and a way to the agents for logs and exec.
func (a *assembly) coreStorage() (restStorage, error) {
	return corerest.New(corerest.Config{
		GenericConfig: corerest.GenericConfig{
			StorageFactory:        a.storageFactory,
			EventTTL:              a.options.EventTTL,
			LoopbackClientConfig:  a.config.LoopbackClientConfig,
			ServiceAccountIssuer:  a.tokenIssuer,
			ExtendExpiration:      true,
			MaxExtendedExpiration: maxTokenExtension,
			APIAudiences:          a.config.Authentication.APIAudiences,
			Informers:             a.informers,
		},
		Proxy: a.nodeProxy(),
		Services: corerest.ServicesConfig{
			ClusterIPRange:   a.serviceNetwork,
			NodePortRange:    a.options.ServiceNodePortRange,
			IPRepairInterval: repairInterval,
		},
		EndpointSliceGetter: a.endpointSlices,
		Authorizer:          a.config.Authorization.Authorizer,
	}, a.config.Authorization.Authorizer)
}

// nodeProxy reaches the agents, whose serving certificate must be of our
// authority and bear the address that is dialled.
func (a *assembly) nodeProxy() corerest.ProxyConfig {
	p := corerest.ProxyConfig{Transport: a.proxyTransport}
	agents := &p.KubeletClientConfig
	agents.Port, agents.HTTPTimeout = kubeletPort, kubeletTimeout
	agents.PreferredAddressTypes = []string{string(v1.NodeInternalIP), string(v1.NodeHostName)}
	agents.TLSClientConfig.CAFile = a.options.KubeletCAFile
	agents.TLSClientConfig.CertFile = a.options.KubeletCertFile
	agents.TLSClientConfig.KeyFile = a.options.KubeletKeyFile
	return p
}

// setUpServiceResolver says where a Service is reached, for webhooks and
// aggregated servers: at its cluster address, since the control node runs a
// service proxy too; and "kubernetes" is this server itself.
func (a *assembly) setUpServiceResolver() error {
	// Pods and Services are dialled by address, so a name can't be checked.
	a.proxyTransport = utilnet.SetTransportDefaults(&http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above; upstream's CreateProxyTransport
	})
	slices, err := proxy.NewEndpointSliceIndexerGetter(a.informers.Discovery().V1().EndpointSlices())
	if err != nil {
		return err
	}
	a.endpointSlices = slices
	self, err := url.Parse(a.config.LoopbackClientConfig.Host)
	if err != nil {
		return err
	}
	a.services = aggregator.NewLoopbackServiceResolver(
		aggregator.NewClusterIPServiceResolver(a.informers.Core().V1().Services().Lister()), self)
	return nil
}

// discoveryAddresses tells a client inside the Service network that address,
// and anyone else the public one.
func (a *assembly) discoveryAddresses() discovery.Addresses {
	return discovery.DefaultAddresses{
		DefaultAddress: a.config.ExternalAddress,
		CIDRRules: []discovery.CIDRRule{{
			IPRange: a.serviceNetwork, Address: net.JoinHostPort(a.kubernetesIP().String(), "443"),
		}},
	}
}

// kubernetesIP is the address of the Service "kubernetes", the network's first.
func (a *assembly) kubernetesIP() net.IP {
	return netutils.AddIPOffset(netutils.BigForIP(a.serviceNetwork.IP), 1).To4()
}
