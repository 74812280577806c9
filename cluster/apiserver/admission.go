package apiserver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	admissionmetrics "k8s.io/apiserver/pkg/admission/metrics"
	webhookinit "k8s.io/apiserver/pkg/admission/plugin/webhook/initializer"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	controlplaneadmission "k8s.io/kubernetes/pkg/controlplane/apiserver/admission"
	kubeadmission "k8s.io/kubernetes/pkg/kubeapiserver/admission"
	"k8s.io/kubernetes/pkg/kubeapiserver/admission/exclusion"
	quotainstall "k8s.io/kubernetes/pkg/quota/v1/install"
)

// mapperRefresh is how often the map from kinds to resources, used by policies
// with parameters, is read anew; upstream's value.
const mapperRefresh = 30 * time.Second

// setUpAdmission makes the chain that each write passes after it was
// authorized: first those that may change the object, then those that may
// refuse it.
func (a *assembly) setUpAdmission() error {
	dynamicClient, err := dynamic.NewForConfig(a.config.LoopbackClientConfig)
	if err != nil {
		return err
	}
	if err := a.setUpServiceResolver(); err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(a.client.Discovery()))
	err = a.config.AddPostStartHook("start-apiserver-admission-initializer", func(ctx genericapiserver.PostStartHookContext) error {
		go wait.UntilWithContext(ctx, func(context.Context) { mapper.Reset() }, mapperRefresh)
		return nil
	})
	if err != nil {
		return err
	}
	a.admissionInitializers = []admission.PluginInitializer{
		initializer.NewAPIServerIDInitializer(a.config.APIServerID),
		initializer.New(a.client, dynamicClient, a.informers, a.config.Authorization.Authorizer,
			a.config.FeatureGate, a.config.EffectiveVersion, a.config.DrainedNotify(), mapper),
		webhookinit.NewPluginInitializer(a.webhookClients(), a.services),
		kubeadmission.NewPluginInitializer(),
	}
	quotas, err := quotainstall.NewQuotaConfigurationForAdmission(a.informers, a.config.MergedResourceConfig)
	if err != nil {
		return fmt.Errorf("learning what quotas count: %w", err)
	}
	a.admissionInitializers = append(a.admissionInitializers, controlplaneadmission.NewPluginInitializer(quotas, exclusion.Excluded()))
	return a.chainAdmission()
}

// webhookClients say how webhooks are reached and who this server is to them.
func (a *assembly) webhookClients() webhook.AuthenticationInfoResolverWrapper {
	return webhook.NewDefaultAuthenticationInfoResolverWrapper(a.proxyTransport, nil, a.config.LoopbackClientConfig, a.config.TracerProvider)
}

// chainAdmission makes the plug-ins and strings them together.
func (a *assembly) chainAdmission() error {
	registered := admission.NewPlugins()
	for _, p := range admissionPlugins {
		p.register(registered)
	}
	names := a.options.admissionNames()
	defaults, err := admission.ReadAdmissionConfiguration(names, "", nil)
	if err != nil {
		return err
	}
	chain, err := registered.NewFromPlugins(names, defaults, admission.PluginInitializers(a.admissionInitializers),
		admission.Decorators{admission.DecoratorFunc(admissionmetrics.WithControllerMetrics)})
	if err != nil {
		return err
	}
	a.config.AdmissionControl = admissionmetrics.WithStepMetrics(chain)
	return nil
}

// admissionNames is the chain: the default plug-ins and what the flags add and
// take away, in the order of the list.
func (o *Options) admissionNames() []string {
	var names []string
	for _, p := range admissionPlugins {
		on := p.on || slices.Contains(o.EnableAdmission, p.name)
		if on && !slices.Contains(o.DisableAdmission, p.name) {
			names = append(names, p.name)
		}
	}
	return names
}

// validateAdmission finds names that no plug-in has.
func (o *Options) validateAdmission() error {
	var known []string
	for _, p := range admissionPlugins {
		known = append(known, p.name)
	}
	for _, name := range slices.Concat(o.EnableAdmission, o.DisableAdmission) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("there is no admission plug-in %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}
