package ingress

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

// problem is something wrong with an Ingress that its author should be told.
type problem struct {
	Ingress *networkingv1.Ingress
	// Reason and Message are those of the event.
	Reason, Message string
}

// The reasons of events.
const (
	// reasonRejected: a rule, or the whole Ingress, is not served.
	reasonRejected = "Rejected"
	// reasonReload: nginx itself refused the configuration.
	reasonReload = "RELOAD"
	// reasonCertificate: the controller's own certificate is used instead.
	reasonCertificate = "Certificate"
	// reasonUnsupported: an annotation has no effect here.
	reasonUnsupported = "Unsupported"
)

// build makes the configuration, and tells what is wrong with which Ingress. What
// is wrong is left out; everything else is served. The same objects always give the same
// configuration, whatever order the API lists them in: else each look would be a reload.
func build(w world) (nginxConfig, []problem) {
	b := &builder{world: w, hosts: map[string]*host{}, upstreams: map[string]upstream{}, certificates: map[string]certificate{}}
	b.host("") // there is always one that answers 404
	var canaries []*ruled
	for _, ing := range byAge(w.Ingresses) {
		r := b.readIngress(ing)
		switch {
		case r == nil:
		case r.annotations.canary.enabled:
			canaries = append(canaries, r)
		default:
			b.addIngress(r)
		}
	}
	// Canaries come last, whatever their age: they share a path that has to be there.
	for _, r := range canaries {
		b.addCanary(r)
	}
	return b.config(), b.problems
}

// builder is a configuration in the making.
type builder struct {
	world        world
	hosts        map[string]*host
	upstreams    map[string]upstream
	certificates map[string]certificate
	canaries     []canarySplit
	problems     []problem
}

// ruled is an Ingress with its annotations.
type ruled struct {
	*networkingv1.Ingress
	annotations annotations
}

// host is a server in the making.
type host struct {
	name           string
	rules          []rule
	claimed        map[claim]string // by whom, as NAMESPACE/NAME
	defaultBackend *rule            // what no path takes
	regex          bool             // an Ingress asks for expressions
	tls            bool
	certificate    string
	canaries       map[claim]string // the variable that chooses
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
	b.problems = append(b.problems, problem{Ingress: ing, Reason: reason, Message: fmt.Sprintf(format, args...)})
}

// readIngress takes an Ingress in, or says what is wrong with it and returns nil.
func (b *builder) readIngress(ing *networkingv1.Ingress) *ruled {
	a, unsupported, err := readAnnotations(ing)
	for _, name := range unsupported {
		b.problem(ing, reasonUnsupported, "annotation %s is not supported by this controller and has no effect", name)
	}
	if err == nil {
		err = checkRules(ing, a)
	}
	if err != nil {
		b.problem(ing, reasonRejected, "%v", err)
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

// addIngress puts the rules of an Ingress where they belong: one host may get its paths
// from many Ingresses, and one Ingress may have many hosts.
func (b *builder) addIngress(r *ruled) {
	var fallback *rule
	if d := r.Spec.DefaultBackend; d != nil && d.Service != nil {
		fallback = &rule{of: r, backend: d.Service, claim: claim{networkingv1.PathTypePrefix, "/"}}
	}
	if len(r.Spec.Rules) == 0 {
		// An Ingress without rules takes what no other does, whatever the host.
		b.host("").setDefaultBackend(fallback)
	}
	for _, ir := range r.Spec.Rules {
		h := b.host(ir.Host)
		h.setDefaultBackend(fallback)
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

// setDefaultBackend is for the first Ingress that names one; the others are younger.
func (h *host) setDefaultBackend(f *rule) {
	if h.defaultBackend == nil {
		h.defaultBackend = f
	}
}

// addPath gives a path of a host to an Ingress, unless an older one has it.
func (b *builder) addPath(h *host, r *ruled, p networkingv1.HTTPIngressPath) {
	if p.Backend.Service == nil {
		b.problem(r.Ingress, reasonRejected, "path %q of host %q has no service as its backend", p.Path, h.name)
		return
	}
	c := claimOf(p)
	if owner, taken := h.claimed[c]; taken {
		// The older Ingress keeps the path, as the API's conventions have it.
		b.problem(r.Ingress, reasonRejected, "host %q and path %q is already defined in ingress %s", h.name, c.path, owner)
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
func (b *builder) config() nginxConfig {
	var c nginxConfig
	// Locations are what makes upstreams: they come first.
	for _, h := range slices.SortedFunc(maps.Values(b.hosts), compareHosts) {
		c.Servers = append(c.Servers, server{Host: h.name, Certificate: h.certificate, Locations: b.locations(h)})
	}
	c.Upstreams = slices.SortedFunc(maps.Values(b.upstreams), func(a, b upstream) int { return strings.Compare(a.Name, b.Name) })
	c.Certificates = slices.SortedFunc(maps.Values(b.certificates), func(a, b certificate) int { return strings.Compare(a.Name, b.Name) })
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
