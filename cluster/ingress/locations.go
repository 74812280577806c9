package ingress

import (
	"cmp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

// locations turns a host's rules into nginx's, which brings about the API's
// precedence by itself: it takes an exact path before any prefix, and of prefixes
// the longest. A Prefix compares whole elements of a path, so that /shop takes
// /shop and /shop/cart but not /shops: it becomes two locations.
//
// Where an Ingress of the host rewrites or asks for expressions, every path of the
// host is one, whoever's it is; that is ingress-nginx's rule.
func (b *builder) locations(h *host) []Location {
	made := map[claim]bool{}
	var list []Location
	put := func(r rule, m Match, path string) {
		l := b.location(h, r)
		l.Match, l.Path = m, path
		c := claim{path: path, pathType: networkingv1.PathTypePrefix}
		if m == MatchExact {
			c.pathType = networkingv1.PathTypeExact
		}
		if made[c] {
			return // an older rule, or one that is asked first, comes to the same
		}
		made[c] = true
		list = append(list, l)
	}
	for _, r := range asked(h) {
		switch {
		case h.regex:
			putExpressions(r, put)
		case r.pathType == networkingv1.PathTypeExact:
			put(r, MatchExact, r.path)
		case r.pathType == networkingv1.PathTypePrefix && r.path != "/":
			put(r, MatchExact, r.path)
			put(r, MatchPrefix, r.path+"/")
		default:
			put(r, MatchPrefix, r.path)
		}
	}
	root := Location{Match: MatchPrefix, Path: "/"}
	if h.fallback != nil {
		root = b.location(h, *h.fallback)
		root.Match, root.Path = MatchPrefix, "/"
		root.Rewrite, root.RewriteFrom = "", "" // what no rule takes has no path to rewrite
	}
	if !made[claim{networkingv1.PathTypePrefix, "/"}] {
		list = append(list, root)
	}
	slices.SortStableFunc(list, func(a, b Location) int {
		if d := cmp.Compare(len(b.Path), len(a.Path)); d != 0 {
			return d
		}
		return cmp.Or(strings.Compare(b.Path, a.Path), cmp.Compare(a.Match, b.Match))
	})
	return list
}

// asked sorts a host's rules so that of two that come to the same location, the
// one that the API prefers is first: Exact before Prefix, then as they were.
func asked(h *host) []rule {
	sorted := slices.Clone(h.rules)
	slices.SortStableFunc(sorted, func(a, b rule) int {
		rank := func(r rule) int {
			if r.pathType == networkingv1.PathTypeExact {
				return 0
			}
			return 1
		}
		return cmp.Compare(rank(a), rank(b))
	})
	return sorted
}

// putExpressions is for a host whose paths are expressions. A Prefix of an Ingress
// that does not rewrite keeps its end of an element.
func putExpressions(r rule, put func(rule, Match, string)) {
	a := r.of.annotations
	if r.pathType == networkingv1.PathTypePrefix && r.path != "/" && !a.useRegex && a.rewriteTarget == "" {
		put(r, MatchRegex, r.path+"/")
	}
	put(r, MatchRegex, r.path)
}

// location is all of a location but what it matches.
func (b *builder) location(h *host, r rule) Location {
	a := r.of.annotations
	l := Location{
		Ingress: key(r.of.Ingress), Service: r.of.Namespace + "/" + r.backend.Name,
		Upstream: b.upstream(r), Canary: h.canaries[r.claim],
		RedirectHTTPS: a.forceSSLRedirect || h.tls && a.sslRedirect,
		AppRoot:       a.appRoot, HTTPS: a.backendHTTPS, BodySize: a.bodySize,
		ConnectTimeout: a.connectTimeout, SendTimeout: a.sendTimeout, ReadTimeout: a.readTimeout,
	}
	if a.rewriteTarget != "" && a.rewriteTarget != r.path {
		l.RewriteFrom, l.Rewrite = r.path, a.rewriteTarget
	}
	if l.Upstream == "" {
		l.Canary = "" // there is nobody to share with
	}
	return l
}

// upstream names the upstream of a rule's backend, or nothing if there is no
// endpoint that is ready.
func (b *builder) upstream(r rule) string {
	name := upstreamName(r.of.Namespace, r.backend)
	if _, have := b.upstreams[name]; have {
		return name
	}
	endpoints := b.world.endpoints(r.of.Namespace+"/"+r.backend.Name, r.backend.Port)
	if len(endpoints) == 0 {
		return ""
	}
	b.upstreams[name] = Upstream{Name: name, Endpoints: endpoints}
	return name
}

func upstreamName(namespace string, s *networkingv1.IngressServiceBackend) string {
	return namespace + "-" + s.Name + "-" + portName(s.Port)
}
