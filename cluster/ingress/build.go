package ingress

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

// Problem is something wrong with an Ingress that its author should hear of.
type Problem struct {
	Ingress *networkingv1.Ingress
	// Reason and Message are those of the event.
	Reason, Message string
}

// The reasons of events.
const (
	// ReasonRejected: a rule, or the whole Ingress, is not served.
	ReasonRejected = "Rejected"
	// ReasonReload: nginx itself refused the configuration.
	ReasonReload = "RELOAD"
	// ReasonCertificate: the controller's own certificate is used instead.
	ReasonCertificate = "Certificate"
	// ReasonUnsupported: an annotation has no effect here.
	ReasonUnsupported = "Unsupported"
)

// Build makes the configuration, and tells what is wrong with which Ingress. What
// is wrong is left out; everything else is served.
func Build(w World) (Config, []Problem) {
	b := &builder{world: w, hosts: map[string]*host{}, upstreams: map[string]Upstream{}, certificates: map[string]Certificate{}}
	b.host("") // there is always one that answers 404
	var canaries []*ruled
	for _, ing := range byAge(w.Ingresses) {
		r := b.read(ing)
		switch {
		case r == nil:
		case r.annotations.canary.enabled:
			canaries = append(canaries, r)
		default:
			b.add(r)
		}
	}
	for _, r := range canaries {
		b.addCanary(r)
	}
	return b.config(), b.problems
}

type builder struct {
	world        World
	hosts        map[string]*host
	upstreams    map[string]Upstream
	certificates map[string]Certificate
	canaries     []Canary
	problems     []Problem
}

// ruled is an Ingress with its annotations.
type ruled struct {
	*networkingv1.Ingress
	annotations annotations
}

// host is a server in the making.
type host struct {
	name        string
	rules       []rule
	claimed     map[claim]string
	fallback    *rule // what no path takes
	regex       bool  // an Ingress asks for expressions
	tls         bool
	certificate string
	canaries    map[claim]string
}

// claim is what only one rule of a host can have.
type claim struct {
	pathType networkingv1.PathType
	path     string
}

// rule is a path with its backend.
type rule struct {
	claim
	of      *ruled
	backend *networkingv1.IngressServiceBackend
}

func (b *builder) problem(ing *networkingv1.Ingress, reason, format string, args ...any) {
	b.problems = append(b.problems, Problem{Ingress: ing, Reason: reason, Message: fmt.Sprintf(format, args...)})
}

// read takes an Ingress in, or says what is wrong with it and returns nil.
func (b *builder) read(ing *networkingv1.Ingress) *ruled {
	a, unsupported, err := readAnnotations(ing)
	for _, name := range unsupported {
		b.problem(ing, ReasonUnsupported, "annotation %s is not supported by this controller and has no effect", name)
	}
	if err == nil {
		err = checkRules(ing, a)
	}
	if err != nil {
		b.problem(ing, ReasonRejected, "%v", err)
		return nil
	}
	return &ruled{Ingress: ing, annotations: a}
}

func (b *builder) host(name string) *host {
	h := b.hosts[name]
	if h == nil {
		h = &host{name: name, claimed: map[claim]string{}, canaries: map[claim]string{}}
		b.hosts[name] = h
	}
	return h
}

// add puts the rules of an Ingress where they belong.
func (b *builder) add(r *ruled) {
	var fallback *rule
	if d := r.Spec.DefaultBackend; d != nil && d.Service != nil {
		fallback = &rule{of: r, backend: d.Service, claim: claim{networkingv1.PathTypePrefix, "/"}}
	}
	if len(r.Spec.Rules) == 0 {
		// An Ingress without rules takes what no other does, whatever the host.
		b.host("").setFallback(fallback)
	}
	for _, ir := range r.Spec.Rules {
		h := b.host(ir.Host)
		h.setFallback(fallback)
		if r.annotations.useRegex || r.annotations.rewriteTarget != "" {
			h.regex = true
		}
		b.addTLS(h, r)
		if ir.HTTP == nil {
			continue
		}
		for _, p := range ir.HTTP.Paths {
			b.addPath(h, r, p)
		}
	}
}

func (h *host) setFallback(f *rule) {
	if h.fallback == nil {
		h.fallback = f
	}
}

func (b *builder) addPath(h *host, r *ruled, p networkingv1.HTTPIngressPath) {
	if p.Backend.Service == nil {
		b.problem(r.Ingress, ReasonRejected, "path %q of host %q has no service as its backend", p.Path, h.name)
		return
	}
	c := claimOf(p)
	if owner, taken := h.claimed[c]; taken {
		// The older Ingress keeps the path, as the API's conventions have it.
		b.problem(r.Ingress, ReasonRejected, "host %q and path %q is already defined in ingress %s", h.name, c.path, owner)
		return
	}
	h.claimed[c] = key(r.Ingress)
	h.rules = append(h.rules, rule{claim: c, of: r, backend: p.Backend.Service})
}

// claimOf is the path and its type; to Prefix a slash at the end means nothing.
func claimOf(p networkingv1.HTTPIngressPath) claim {
	c := claim{pathType: networkingv1.PathTypeImplementationSpecific, path: p.Path}
	if p.PathType != nil {
		c.pathType = *p.PathType
	}
	if c.path == "" {
		c.path = "/"
	}
	if c.pathType == networkingv1.PathTypePrefix && c.path != "/" {
		c.path = strings.TrimRight(c.path, "/")
	}
	if c.path == "" { // it was nothing but slashes
		c.path = "/"
	}
	return c
}

// config puts everything into its order.
func (b *builder) config() Config {
	var c Config
	// Locations are what makes upstreams: they come first.
	for _, h := range slices.SortedFunc(maps.Values(b.hosts), compareHosts) {
		c.Servers = append(c.Servers, Server{Host: h.name, Certificate: h.certificate, Locations: b.locations(h)})
	}
	c.Upstreams = slices.SortedFunc(maps.Values(b.upstreams), func(a, b Upstream) int { return strings.Compare(a.Name, b.Name) })
	c.Certificates = slices.SortedFunc(maps.Values(b.certificates), func(a, b Certificate) int { return strings.Compare(a.Name, b.Name) })
	c.Canaries = b.canaries
	return c
}

// compareHosts puts the server for all hosts first, then names, then wildcards,
// the longest first: nginx tries expressions in the order of the file.
func compareHosts(a, b *host) int {
	rank := func(h *host) int {
		switch {
		case h.name == "":
			return 0
		case strings.HasPrefix(h.name, "*."):
			return 2
		}
		return 1
	}
	if d := cmp.Compare(rank(a), rank(b)); d != 0 {
		return d
	}
	if d := cmp.Compare(len(b.name), len(a.name)); d != 0 && rank(a) == 2 {
		return d
	}
	return strings.Compare(a.name, b.name)
}
