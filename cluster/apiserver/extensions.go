package apiserver

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	extensions "k8s.io/apiextensions-apiserver/pkg/apiserver"
	extensionsoptions "k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapifilters "k8s.io/apiserver/pkg/endpoints/filters"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/util/notfoundhandler"
)

// newExtensionsServer makes the server for CustomResourceDefinitions and for
// the resources that they define. It is the last to be asked; behind it is
// only "not found".
func (a *assembly) newExtensionsServer() (*extensions.CustomResourceDefinitions, error) {
	config := a.copyConfig()
	etcd := *a.etcd
	etcd.SkipHealthEndpoints = true // the shared configuration has them already
	// v1beta1 is the more compact form and upstream's choice for storage.
	etcd.StorageConfig.Codec = extensions.Codecs.LegacyCodec(apiextensionsv1beta1.SchemeGroupVersion, apiextensionsv1.SchemeGroupVersion)
	etcd.StorageConfig.EncodeVersioner = runtime.NewMultiGroupVersioner(
		apiextensionsv1beta1.SchemeGroupVersion, schema.GroupKind{Group: apiextensionsv1beta1.GroupName})
	if err := etcd.ApplyTo(&config); err != nil {
		return nil, err
	}
	config.MergedResourceConfig = extensions.DefaultAPIResourceConfigSource()
	full := &extensions.Config{
		GenericConfig: &genericapiserver.RecommendedConfig{Config: config, SharedInformerFactory: a.informers},
		ExtraConfig: extensions.ExtraConfig{
			CRDRESTOptionsGetter: extensionsoptions.NewCRDRESTOptionsGetter(etcd, config.ResourceTransformers, config.StorageObjectCountTracker),
			MasterCount:          1,
			AuthResolverWrapper:  a.webhookClients(),
			ServiceResolver:      a.services,
		},
	}
	notFound := notfoundhandler.New(a.config.Serializer, genericapifilters.NoMuxAndDiscoveryIncompleteKey)
	return full.Complete().New(genericapiserver.NewEmptyDelegateWithCustomHandler(notFound))
}

// copyConfig is the shared configuration for another server of the chain:
// without the storage, which each has its own of, and without the hooks, which
// must run once.
func (a *assembly) copyConfig() genericapiserver.Config {
	c := *a.config
	c.RESTOptionsGetter = nil
	c.PostStartHooks = map[string]genericapiserver.PostStartHookConfigEntry{}
	return c
}
