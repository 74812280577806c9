package ingress

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
)

// addCanary lets another backend share the requests of a path that an ordinary
// Ingress has. The one must name the path just as the other does: host, path and type are
// all that connects the two.
func (b *builder) addCanary(r *ruled) {
	for _, ir := range r.Spec.Rules {
		if ir.HTTP == nil {
			continue
		}
		h := b.hosts[ir.Host]
		if h == nil {
			b.problem(r.Ingress, reasonRejected, "cannot merge alternative backend into hostname %s that does not exist", ir.Host)
			continue
		}
		for _, p := range ir.HTTP.Paths {
			b.addCanaryPath(h, r, p)
		}
	}
}

// addCanaryPath does so for one path. A path has at most one canary, as in ingress-nginx.
func (b *builder) addCanaryPath(h *host, r *ruled, p networkingv1.HTTPIngressPath) {
	if p.Backend.Service == nil {
		return
	}
	alternative := upstreamName(r.Namespace, p.Backend.Service)
	c := claimOf(p)
	var main *rule
	for i := range h.rules {
		if h.rules[i].claim == c {
			main = &h.rules[i]
		}
	}
	switch {
	case main == nil:
		b.problem(r.Ingress, reasonRejected, "unable to find real backend for alternative backend %s", alternative)
		return
	case upstreamName(main.of.Namespace, main.backend) == alternative:
		b.problem(r.Ingress, reasonRejected, "alternative upstream %s is primary upstream for location %s%s", alternative, h.name, c.path)
		return
	case h.canaries[c] != "":
		b.problem(r.Ingress, reasonRejected, "host %q and path %q has a canary already", h.name, c.path)
		return
	}
	from, to := b.upstream(*main), b.upstream(rule{of: r, backend: p.Backend.Service})
	if from == "" || to == "" {
		return // without endpoints on both sides there is nothing to share
	}
	// The variable is numbered, and not named after the path: nginx takes letters, digits
	// and underscores only.
	a := r.annotations.canary
	share := canarySplit{
		Variable: fmt.Sprintf("canary_%d", len(b.canaries)+1), Main: from, Other: to,
		Percent: min(a.weight, a.total) * 10000 / a.total,
		Header:  a.header, HeaderValue: a.headerValue, Cookie: a.cookie,
	}
	b.canaries = append(b.canaries, share)
	h.canaries[c] = share.Variable
}
