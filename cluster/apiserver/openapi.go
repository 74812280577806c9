package apiserver

import (
	extensions "k8s.io/apiextensions-apiserver/pkg/apiserver"
	"k8s.io/apiserver/pkg/endpoints/discovery/aggregated"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/util/openapi"
	aggregatorscheme "k8s.io/kube-aggregator/pkg/apiserver/scheme"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	generated "k8s.io/kubernetes/pkg/generated/openapi"
)

// setUpOpenAPI gives the schema of every type: for `kubectl explain`, for
// validation on the client's side, and for server-side apply, which learns
// from it which lists are merged by which key.
func (a *assembly) setUpOpenAPI() error {
	definitions := openapi.GetOpenAPIDefinitionsWithoutDisabledFeatures(generated.GetOpenAPIDefinitions)
	namer := openapinamer.NewDefinitionNamer(legacyscheme.Scheme, extensions.Scheme, aggregatorscheme.Scheme)
	a.config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(definitions, namer)
	a.config.OpenAPIConfig.Info.Title = "Kubernetes"
	a.config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(definitions, namer)
	a.config.OpenAPIV3Config.Info.Title = "Kubernetes"
	a.config.AggregatedDiscoveryGroupManager = aggregated.NewResourceManager("apis")
	return nil
}
