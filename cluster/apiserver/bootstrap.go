package apiserver

import (
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	api "k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/controlplane/controller/clusterauthenticationtrust"
	"k8s.io/kubernetes/pkg/controlplane/controller/defaultservicecidr"
	"k8s.io/kubernetes/pkg/controlplane/controller/kubernetesservice"
	"k8s.io/kubernetes/pkg/controlplane/controller/systemnamespaces"
	"k8s.io/kubernetes/pkg/controlplane/reconcilers"
	rbacrest "k8s.io/kubernetes/pkg/registry/rbac/rest"
	schedulingrest "k8s.io/kubernetes/pkg/registry/scheduling/rest"
)

// The timings of the Service "kubernetes", upstream's: each API server renews
// its entry well before it expires, so that a dead one leaves the list soon.
const (
	endpointInterval = 10 * time.Second
	endpointTTL      = 15 * time.Second
)

// addStorageHook adds what a group does after the start, such as repairing the
// allocation of Service addresses. Two of upstream's hooks wait a second
// before their first try; ours, in roles.go, don't.
func (a *assembly) addStorageHook(server *genericapiserver.GenericAPIServer, storage restStorage) error {
	switch storage.(type) {
	case rbacrest.RESTStorageProvider, schedulingrest.RESTStorageProvider:
		return nil
	}
	p, ok := storage.(genericapiserver.PostStartHookProvider)
	if !ok {
		return nil
	}
	name, hook, err := p.PostStartHook()
	if err != nil {
		return err
	}
	return server.AddPostStartHook(name, hook)
}

// addBootstrapHooks adds what fills an empty cluster and keeps it so: roles,
// priority classes, system namespaces, the Service "kubernetes".
func (a *assembly) addBootstrapHooks(server *genericapiserver.GenericAPIServer) error {
	for _, h := range []struct {
		name string
		hook genericapiserver.PostStartHookFunc
	}{
		{rbacrest.PostStartHookName, a.bootstrapRoles},
		{schedulingrest.PostStartHookName, a.bootstrapPriorityClasses},
		{"start-system-namespaces-controller", a.keepSystemNamespaces},
		{"start-kubernetes-service-cidr-controller", a.keepServiceCIDR},
		{"start-cluster-authentication-info-controller", a.publishAuthorities},
	} {
		if err := server.AddPostStartHook(h.name, h.hook); err != nil {
			return err
		}
	}
	return a.addKubernetesService(server)
}

// keepSystemNamespaces makes the namespaces that everything else relies on.
func (a *assembly) keepSystemNamespaces(ctx genericapiserver.PostStartHookContext) error {
	names := []string{metav1.NamespaceSystem, metav1.NamespacePublic, metav1.NamespaceDefault, v1.NamespaceNodeLease}
	go systemnamespaces.NewController(names, a.client, a.informers.Core().V1().Namespaces()).Run(ctx.Done())
	return nil
}

// keepServiceCIDR makes the ServiceCIDR "kubernetes", of which the allocator
// takes addresses (KEP-1880).
func (a *assembly) keepServiceCIDR(ctx genericapiserver.PostStartHookContext) error {
	var noSecond = a.serviceNetwork
	noSecond.IP, noSecond.Mask = nil, nil
	defaultservicecidr.NewController(a.serviceNetwork, noSecond, a.client).Start(ctx)
	return nil
}

// publishAuthorities puts the authorities of clients and front proxies into
// kube-system/extension-apiserver-authentication, where aggregated API servers
// look for them, and reads the files anew when they change.
func (a *assembly) publishAuthorities(ctx genericapiserver.PostStartHookContext) error {
	h := a.requestHeader
	controller := clusterauthenticationtrust.NewClusterAuthenticationTrustController(
		clusterauthenticationtrust.ClusterAuthenticationInfo{
			ClientCA:                         a.clientCA,
			RequestHeaderCA:                  h.CAContentProvider,
			RequestHeaderUsernameHeaders:     h.UsernameHeaders,
			RequestHeaderUIDHeaders:          h.UIDHeaders,
			RequestHeaderGroupHeaders:        h.GroupHeaders,
			RequestHeaderExtraHeaderPrefixes: h.ExtraHeaderPrefixes,
			RequestHeaderAllowedNames:        h.AllowedClientNames,
		}, a.client)
	for _, ca := range []dynamiccertificates.CAContentProvider{a.clientCA, h.CAContentProvider} {
		ca.AddListener(controller)
		if r, ok := ca.(dynamiccertificates.ControllerRunner); ok {
			if err := r.RunOnce(ctx); err != nil {
				return fmt.Errorf("reading an authority: %w", err)
			}
			go r.Run(ctx, 1)
		}
	}
	go controller.Run(ctx, 1)
	return nil
}

// addKubernetesService keeps the Service "kubernetes" and its endpoints, and
// takes this server out of them when it stops.
func (a *assembly) addKubernetesService(server *genericapiserver.GenericAPIServer) error {
	_, port, err := a.config.SecureServing.HostPort()
	if err != nil {
		return err
	}
	config, err := a.storageFactory.NewConfig(api.Resource("apiServerIPInfo"), &api.Endpoints{})
	if err != nil {
		return err
	}
	leases, err := reconcilers.NewLeases(config, "/masterleases/", endpointTTL)
	if err != nil {
		return err
	}
	reconciler := reconcilers.NewLeaseEndpointReconciler(
		reconcilers.NewEndpointsAdapter(a.client.CoreV1(), a.client.DiscoveryV1()), leases)
	if err := reconciler.ValidateIP(a.config.PublicAddress); err != nil {
		return fmt.Errorf("--advertise-address %s can't be an endpoint: %w", a.config.PublicAddress, err)
	}
	controller := kubernetesservice.New(kubernetesservice.Config{
		PublicIP:           a.config.PublicAddress,
		EndpointReconciler: reconciler,
		EndpointInterval:   endpointInterval,
		ServiceIP:          a.kubernetesIP(),
		ServicePort:        443,
		PublicServicePort:  port,
	}, a.client, a.informers.Core().V1().Services())
	err = server.AddPostStartHook("bootstrap-controller", func(ctx genericapiserver.PostStartHookContext) error {
		controller.Start(ctx.Done())
		return nil
	})
	if err != nil {
		return err
	}
	return server.AddPreShutdownHook("stop-kubernetes-service-controller", func() error {
		controller.Stop()
		return nil
	})
}
