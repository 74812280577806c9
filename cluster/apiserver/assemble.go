package apiserver

import (
	"fmt"
	"net"
	"net/http"

	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	"k8s.io/apiserver/pkg/util/proxy"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	aggregator "k8s.io/kube-aggregator/pkg/apiserver"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

// assembly is what the steps hand to each other.
type assembly struct {
	options Options
	// config is common to the three servers; each gets a copy.
	config *genericapiserver.Config

	serviceNetwork net.IPNet

	// client talks to this very server, over its loopback certificate.
	client *kubernetes.Clientset
	// informers cache what authentication, authorization and admission need.
	informers informers.SharedInformerFactory

	etcd           *genericoptions.EtcdOptions
	storageFactory *serverstorage.DefaultStorageFactory

	clientCA       *dynamiccertificates.DynamicFileCAContent
	requestHeader  *authenticatorfactory.RequestHeaderConfig
	tokenIssuer    serviceaccount.TokenGenerator
	tokenKeys      serviceaccount.PublicKeysGetter
	proxyTransport *http.Transport
	services       aggregator.ServiceResolver
	endpointSlices proxy.EndpointSliceGetter

	admissionInitializers []admission.PluginInitializer
}

// steps make the configuration, in this order: each needs what those before it
// have set.
var steps = []struct {
	name string
	do   func(*assembly) error
}{
	{"serving", (*assembly).setUpServing},
	{"clients", (*assembly).setUpClients},
	{"openapi", (*assembly).setUpOpenAPI},
	{"storage", (*assembly).setUpStorage},
	{"authentication", (*assembly).setUpAuthentication},
	{"authorization", (*assembly).setUpAuthorization},
	{"audit", (*assembly).setUpAudit},
	{"service accounts", (*assembly).setUpServiceAccounts},
	{"admission", (*assembly).setUpAdmission},
}

// assemble makes the chain of servers; nothing runs yet.
func (a *assembly) assemble() (*aggregator.APIAggregator, error) {
	for _, s := range steps {
		if err := s.do(a); err != nil {
			return nil, fmt.Errorf("setting up %s: %w", s.name, err)
		}
	}
	extensions, err := a.newExtensionsServer()
	if err != nil {
		return nil, fmt.Errorf("making the server for custom resources: %w", err)
	}
	kube, err := a.newKubeServer(extensions.GenericAPIServer)
	if err != nil {
		return nil, fmt.Errorf("making the server for Kubernetes' own groups: %w", err)
	}
	agg, err := a.newAggregator(kube, extensions)
	if err != nil {
		return nil, fmt.Errorf("making the aggregator: %w", err)
	}
	return agg, nil
}
