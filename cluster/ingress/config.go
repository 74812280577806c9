package ingress

// nginxConfig is what nginx is to do: all that write needs, and nothing of Kubernetes. What
// stands here has been checked; how it is spelled in the file, write decides.
type nginxConfig struct {
	// Upstreams in the order of their names.
	Upstreams []upstream
	// Canaries in the order of their variables.
	Canaries []canarySplit
	// Servers, the one for all other hosts first, wildcards last.
	Servers []server
	// Certificates that servers name, to be written as files.
	Certificates []certificate
}

// upstream is the ready endpoints of one port of a Service.
type upstream struct {
	// Name is NAMESPACE-SERVICE-PORT.
	Name string
	// Endpoints as address:port, sorted, at least one.
	Endpoints []string
}

// canarySplit chooses between two upstreams for each request.
type canarySplit struct {
	// Variable is the name, without the $, of what holds the chosen upstream.
	Variable string
	// Main and Other are upstreams; Other gets the canary's share.
	Main, Other string
	// Percent of the requests that no header and no cookie decides, in
	// hundredths of a percent: 2500 is a quarter.
	Percent int
	// Header, where it is set, decides by its value: always and never, or, with
	// HeaderValue, just that value.
	Header, HeaderValue string
	// Cookie decides by always and never.
	Cookie string
}

// server is one host.
type server struct {
	// Host is a name, *.name, or empty for all that no other server takes.
	Host string
	// Certificate is the file for TLS; empty is the controller's own, self-signed.
	Certificate string
	// Locations in the order in which they are written.
	Locations []location
}

// matchKind is how a location's path is compared.
type matchKind int

// The kinds of locations that nginx has.
const (
	// matchExact takes just this path.
	matchExact matchKind = iota
	// matchPrefix takes every path that begins so; the longest wins.
	matchPrefix
	// matchRegex takes what the expression finds, at the path's beginning and in
	// any case; the first in the file wins.
	matchRegex
)

// location is what happens to the requests for some paths.
type location struct {
	Match matchKind
	Path  string
	// Ingress is NAMESPACE/NAME of whose rule it is; empty for the default.
	Ingress string
	// Upstream is where requests go. Without one they are answered by 503 if
	// Service is set (it has no ready endpoint), or else by 404.
	Upstream string
	// Service is NAMESPACE/NAME of the backend.
	Service string
	// Canary is the variable that says where requests go instead.
	Canary string
	// RedirectHTTPS answers plain HTTP with 308.
	RedirectHTTPS bool
	// Rewrite replaces what RewriteFrom finds in the path.
	RewriteFrom, Rewrite string
	// AppRoot is where a request for / is sent on to.
	AppRoot string
	// HTTPS is spoken to the endpoints.
	HTTPS bool
	// BodySize is the largest request body, as nginx writes sizes.
	BodySize string
	// Timeouts in seconds.
	ConnectTimeout, SendTimeout, ReadTimeout int
}

// certificate is a file for ssl_certificate: chain and key.
type certificate struct {
	// Name of the file; it changes with the content.
	Name string
	// PEM is the certificate chain, then the key.
	PEM []byte
}
