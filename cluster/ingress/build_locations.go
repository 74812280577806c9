package ingress

import (
	"cmp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

// locations turns a host's rules into nginx's, whose own precedence is then the API's: it
// takes an exact path before any prefix, and of prefixes the longest. A Prefix compares
// whole elements of a path, so that /shop takes /shop and /shop/cart but not /shops: it
// becomes two locations.
//
// Where an Ingress of the host rewrites or asks for expressions, every path of the
// host is one, whoever's it is; that is ingress-nginx's rule.
func (b *builder) locations(h *host) []location {
	made := map[claim]bool{}
	var list []location
	put := func(r rule, m matchKind, path string) {
		l := b.location(h, r)
		l.Match, l.Path = m, path
		c := claim{path: path, pathType: networkingv1.PathTypePrefix}
		if m == matchExact {
			c.pathType = networkingv1.PathTypeExact
		}
		if made[c] {
			return // an older rule, or one that is asked first, comes to the same
		}
		made[c] = true
		list = append(list, l)
	}
	for _, r := range byPrecedence(h) {
		switch {
		case h.regex:
			putExpressions(r, put)
		case r.pathType == networkingv1.PathTypeExact:
			put(r, matchExact, r.path)
		case r.pathType == networkingv1.PathTypePrefix && r.path != "/":
			put(r, matchExact, r.path)
			put(r, matchPrefix, r.path+"/")
		default:
			put(r, matchPrefix, r.path)
		}
	}
	root := location{Match: matchPrefix, Path: "/"}
	if h.defaultBackend != nil {
		root = b.location(h, *h.defaultBackend)
		root.Match, root.Path = matchPrefix, "/"
		root.Rewrite, root.RewriteFrom = "", "" // what no rule takes has no path to rewrite
	}
	if !made[claim{networkingv1.PathTypePrefix, "/"}] {
		list = append(list, root)
	}
	slices.SortStableFunc(list, func(a, b location) int {
		if d := cmp.Compare(len(b.Path), len(a.Path)); d != 0 {
			return d
		}
		return cmp.Or(strings.Compare(b.Path, a.Path), cmp.Compare(a.Match, b.Match))
	})
	return list
}

// byPrecedence sorts a host's rules so that of two that come to the same location, the
// one that the API prefers is first: Exact before Prefix, then as they were.
func byPrecedence(h *host) []rule {
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
func putExpressions(r rule, put func(rule, matchKind, string)) {
	a := r.of.annotations
	if r.pathType == networkingv1.PathTypePrefix && r.path != "/" && !a.useRegex && a.rewriteTarget == "" {
		put(r, matchRegex, r.path+"/")
	}
	put(r, matchRegex, r.path)
}

// location is all of a location but what it matches.
func (b *builder) location(h *host, r rule) location {
	a := r.of.annotations
	l := location{
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
