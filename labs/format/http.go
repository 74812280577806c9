package format

import (
	"strings"
	"time"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/field"
)

// HTTP asks for a page. What is asked is one of
//
//	url: http://…            as it stands
//	node: NAME|any|all       the port of a machine; `any` is a node that is
//	                         ready (a worker if there is one), `all` is every
//	                         node that is ready, one after another
//	nodePort: {service: …}   the node port of a Service, on `node` (default any)
//	pod, service             through the API server, as `kubectl proxy` does;
//	                         with `from`, at its own address
//	selector                 every pod that is ready, likewise
//
// and who asks is `from`: host (the default), pod (a pod of the lab's
// namespace that has curl or wget), pod/NAME, or the name of a machine.
//
// The expression sees `status` (0 where no answer came; `code` is the same),
// `body`, `headers` (by small-letter name), `target` and `error`: empty, or
// refused, timeout, reset, unreachable, unknown host, unknown authority,
// wrong name, no tls, or else the error's own text. Where several answers
// come (selector, node: all, times) it sees `answers`, a list of maps with
// these keys, instead; with selector, `pages` is another name of it.
type HTTP struct {
	URL      *field.Name
	Node     *field.Name
	NodePort *NodePort
	Pod      *field.Name
	Service  *field.Name
	Selector *field.Name
	Port     *field.Number
	Path     *field.Name
	// Scheme is http (the default) or https.
	Scheme string
	// Host is the Host header, and for https the name that is asked for.
	Host *field.Name
	// CA is where the certificate of the authority is; Insecure takes any.
	CA       *SecretKey
	Insecure bool
	Headers  map[string]*field.Name
	From     *field.Name
	// Times asks so often; 0 means once.
	Times int
	// Timeout is the limit of one request; 0 means 3 s.
	Timeout time.Duration
	At      problem.Pos `yaml:"-"`
}

// NodePort names a Service, and its port where it has several.
type NodePort struct {
	Service *field.Name
	Port    *field.Name
	At      problem.Pos `yaml:"-"`
}

// SecretKey is one key of a Secret in the lab's namespace.
type SecretKey struct {
	Secret *field.Name
	Key    string
	At     problem.Pos `yaml:"-"`
}

// Several tells whether the check collects a list of answers.
func (h *HTTP) Several() bool {
	return h.Selector != nil || h.Times > 0 || h.Node != nil && h.Node.Source() == "all"
}

// DNS asks the cluster's DNS for a name, over TCP. From a machine (the
// default is the first that is a worker) the name is looked for as in a pod
// of the lab's namespace; from pod or pod/NAME, as that pod's own
// resolv.conf says. The expression sees `addresses` (A, AAAA: the addresses,
// sorted; SRV: HOST:PORT), `rcode` (NOERROR, NXDOMAIN, SERVFAIL, …; empty
// where no answer came) and `error`. A name that the search list doesn't end
// is asked of the world outside, too, which mostly is SERVFAIL here: to see
// NXDOMAIN, ask for the full name with its last dot.
type DNS struct {
	Name *field.Name
	// Type is A (the default), AAAA or SRV.
	Type string
	From *field.Name
	At   problem.Pos `yaml:"-"`
}

func (v *validator) http(h *HTTP) {
	targets := 0
	for _, set := range []bool{h.URL != nil, h.Node != nil && h.NodePort == nil, h.NodePort != nil, h.Pod != nil, h.Service != nil, h.Selector != nil} {
		if set {
			targets++
		}
	}
	if targets != 1 {
		v.Fail(h.At, "http: want exactly one of url, node, nodePort, pod, service, selector; found %d", targets)
	}
	switch {
	case h.Port == nil && h.URL == nil && h.NodePort == nil:
		v.Fail(h.At, "http: port is missing: a number from 1 to 65535, or an expression")
	case h.Port != nil && (h.URL != nil || h.NodePort != nil):
		v.Fail(h.Port.At, "http: url and nodePort have a port of their own")
	}
	v.Number(h.Port, "port", 1, 65535)
	if h.NodePort != nil {
		v.Need(h.NodePort.At, "nodePort", "service", h.NodePort.Service != nil)
	}
	v.httpWay(h)
}

// httpWay validates how the page is asked for.
func (v *validator) httpWay(h *HTTP) {
	if h.Scheme != "" && h.Scheme != "http" && h.Scheme != "https" {
		v.Fail(h.At, "scheme: want http or https, found %q", h.Scheme)
	}
	from := h.From.Source()
	if from == "host" {
		h.From, from = nil, ""
	}
	https := h.Scheme == "https" || h.URL != nil && strings.HasPrefix(h.URL.Source(), "https:")
	proxied := from == "" && (h.Pod != nil || h.Service != nil || h.Selector != nil)
	switch {
	case (h.CA != nil || h.Insecure) && !https:
		v.Fail(h.At, "http: ca and insecure are for https")
	case h.CA != nil && h.Insecure:
		v.Fail(h.At, "http: insecure takes any certificate, so ca is of no use")
	case h.CA != nil && isPod(from):
		v.Fail(h.CA.At, "ca: a pod has no file with it; ask from the host or a machine, or take insecure")
	case proxied && (https || h.Host != nil || len(h.Headers) > 0):
		v.Fail(h.At, "http: this asks through the API server, which takes neither scheme nor host nor headers; say from whom to ask (from: pod, or a machine)")
	case h.Times < 0 || h.Times > 200:
		v.Fail(h.At, "times: want 1 to 200, found %d", h.Times)
	}
	if h.CA != nil {
		v.Need(h.CA.At, "ca", "secret", h.CA.Secret != nil)
		if h.CA.Key == "" {
			h.CA.Key = "ca.crt"
		}
	}
}

// isPod tells whether a `from` is a pod.
func isPod(from string) bool { return from == "pod" || strings.HasPrefix(from, "pod/") }

func (v *validator) dns(d *DNS) {
	v.Need(d.At, "dns", "name", d.Name != nil)
	switch d.Type {
	case "":
		d.Type = "A"
	case "A", "AAAA", "SRV":
	default:
		v.Fail(d.At, "type: want A, AAAA or SRV, found %q", d.Type)
	}
	if d.From.Source() == "host" {
		v.Fail(d.At, "from: the host doesn't use the cluster's DNS; want pod, pod/NAME or a machine")
	}
}
