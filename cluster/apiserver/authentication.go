package apiserver

import (
	"errors"
	"fmt"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/authentication/request/union"
	"k8s.io/apiserver/pkg/authentication/request/websocket"
	"k8s.io/apiserver/pkg/authentication/request/x509"
	"k8s.io/apiserver/pkg/authentication/token/cache"
	tokenunion "k8s.io/apiserver/pkg/authentication/token/union"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/util/keyutil"
	tokengetter "k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

// tokenCacheTTL is how long a checked token is believed without another look;
// upstream's value.
const tokenCacheTTL = 10 * time.Second

// setUpAuthentication says how a request proves who sends it. The first way
// that fits wins; a request that fits none gets 401, since there is no
// anonymous user here.
func (a *assembly) setUpAuthentication() error {
	if err := a.trustAuthorities(); err != nil {
		return err
	}
	tokens, err := a.tokenAuthenticator()
	if err != nil {
		return err
	}
	a.config.Authentication.Authenticator = group.NewAuthenticatedGroupAdder(union.New(
		a.frontProxyAuthenticator(),
		x509.NewDynamic(a.clientCA.VerifyOptions, x509.CommonNameUserConversion),
		bearertoken.New(tokens),
		websocket.NewProtocolAuthenticator(tokens), // browsers can't set the header
	))
	a.config.Authentication.APIAudiences = a.audiences()
	a.config.Authentication.RequestHeaderConfig = a.requestHeader
	return nil
}

// audiences are what a token must be meant for: this server, under the name
// of its issuer.
func (a *assembly) audiences() authenticator.Audiences {
	return authenticator.Audiences{a.options.ServiceAccountIssuer}
}

// trustAuthorities tells TLS from whom it may take client certificates.
func (a *assembly) trustAuthorities() error {
	clientCA, err := dynamiccertificates.NewDynamicCAContentFromFile("client-ca-bundle", a.options.ClientCAFile)
	if err != nil {
		return fmt.Errorf("reading --client-ca-file: %w", err)
	}
	proxyCA, err := dynamiccertificates.NewDynamicCAContentFromFile("request-header", a.options.RequestHeaderCAFile)
	if err != nil {
		return fmt.Errorf("reading --requestheader-client-ca-file: %w", err)
	}
	a.clientCA = clientCA
	a.requestHeader = &authenticatorfactory.RequestHeaderConfig{
		UsernameHeaders:     headerrequest.StaticStringSlice{"X-Remote-User"},
		UIDHeaders:          headerrequest.StaticStringSlice{"X-Remote-Uid"},
		GroupHeaders:        headerrequest.StaticStringSlice{"X-Remote-Group"},
		ExtraHeaderPrefixes: headerrequest.StaticStringSlice{"X-Remote-Extra-"},
		CAContentProvider:   proxyCA,
		AllowedClientNames:  headerrequest.StaticStringSlice(a.options.RequestHeaderAllowedNames),
	}
	auth := &a.config.Authentication
	return errors.Join(
		auth.ApplyClientCert(clientCA, a.config.SecureServing),
		auth.ApplyClientCert(proxyCA, a.config.SecureServing),
	)
}

// frontProxyAuthenticator believes the headers of a proxy that shows a
// certificate of its own authority: an aggregated API server trusts this one
// in the same way.
func (a *assembly) frontProxyAuthenticator() authenticator.Request {
	h := a.requestHeader
	return authenticator.WrapAudienceAgnosticRequest(a.audiences(), headerrequest.NewDynamicVerifyOptionsSecure(
		h.CAContentProvider.VerifyOptions, h.AllowedClientNames,
		h.UsernameHeaders, h.UIDHeaders, h.GroupHeaders, h.ExtraHeaderPrefixes,
	))
}

// tokenAuthenticator checks service-account tokens: those of TokenRequest,
// bound to an object and a time, and the older ones kept in a Secret.
func (a *assembly) tokenAuthenticator() (authenticator.Token, error) {
	keys, err := publicKeys(a.options.ServiceAccountKeyFiles)
	if err != nil {
		return nil, err
	}
	a.tokenKeys = keys
	core, webhooks := a.informers.Core().V1(), a.informers.Admissionregistration().V1()
	getter := tokengetter.NewGetterFromClient(a.client,
		core.Secrets().Lister(), core.ServiceAccounts().Lister(), core.Pods().Lister(), core.Nodes().Lister(),
		webhooks.ValidatingWebhookConfigurations().Lister(), webhooks.MutatingWebhookConfigurations().Lister(),
	)
	legacy, err := serviceaccount.NewLegacyValidator(true, getter, a.client.CoreV1())
	if err != nil {
		return nil, fmt.Errorf("checking tokens kept in Secrets: %w", err)
	}
	issuers := []string{a.options.ServiceAccountIssuer}
	tokens := tokenunion.New(
		serviceaccount.JWTTokenAuthenticator([]string{serviceaccount.LegacyIssuer}, keys, a.audiences(), legacy),
		serviceaccount.JWTTokenAuthenticator(issuers, keys, a.audiences(), serviceaccount.NewValidator(getter)),
	)
	return cache.New(tokens, true, tokenCacheTTL, 0), nil
}

// publicKeys reads the keys that check tokens.
func publicKeys(files []string) (serviceaccount.PublicKeysGetter, error) {
	var all []any
	for _, f := range files {
		keys, err := keyutil.PublicKeysFromFile(f)
		if err != nil {
			return nil, fmt.Errorf("reading --service-account-key-file %s: %w", f, err)
		}
		all = append(all, keys...)
	}
	return serviceaccount.StaticPublicKeysGetter(all)
}

// setUpServiceAccounts makes what signs tokens, for TokenRequest.
func (a *assembly) setUpServiceAccounts() error {
	key, err := keyutil.PrivateKeyFromFile(a.options.ServiceAccountSigningKeyFile)
	if err != nil {
		return fmt.Errorf("reading --service-account-signing-key-file: %w", err)
	}
	a.tokenIssuer, err = serviceaccount.JWTTokenGenerator(a.options.ServiceAccountIssuer, key)
	return err
}
