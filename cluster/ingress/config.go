package ingress

// Config is what nginx is to do: all that Write needs, and nothing of Kubernetes.
type Config struct {
	// Upstreams in the order of their names.
	Upstreams []Upstream
	// Canaries in the order of their variables.
	Canaries []Canary
	// Servers, the one for all other hosts first, wildcards last.
	Servers []Server
	// Certificates that servers name, to be laid down as files.
	Certificates []Certificate
}

// Upstream is the ready endpoints of one port of a Service.
type Upstream struct {
	// Name is NAMESPACE-SERVICE-PORT.
	Name string
	// Endpoints as address:port, sorted, at least one.
	Endpoints []string
}

// Canary chooses between two upstreams for each request.
type Canary struct {
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

// Server is one host.
type Server struct {
	// Host is a name, *.name, or empty for all that no other server takes.
	Host string
	// Certificate is the file for TLS; empty is the controller's own, self-signed.
	Certificate string
	// Locations in the order in which they are written.
	Locations []Location
}

// Match is how a location's path is compared.
type Match int

// The kinds of locations that nginx has.
const (
	// MatchExact takes just this path.
	MatchExact Match = iota
	// MatchPrefix takes every path that begins so; the longest wins.
	MatchPrefix
	// MatchRegex takes what the expression finds, at the path's beginning and in
	// any case; the first in the file wins.
	MatchRegex
)

// Location is what happens to the requests for some paths.
type Location struct {
	Match Match
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

// Certificate is a file for ssl_certificate: chain and key.
type Certificate struct {
	// Name of the file; it changes with the content.
	Name string
	// PEM is the certificate chain, then the key.
	PEM []byte
}
