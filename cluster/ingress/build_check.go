package ingress

import (
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// expressionCharacters have a meaning in an expression that they don't have in a path.
const expressionCharacters = `^$*+?|()[]{}\`

// checkRules looks for what must not come into nginx.conf. The API server has
// validated the object, but what it lets through in a path is meant for many
// controllers; and a name that is no name must not get to a file, whoever made it.
func checkRules(ing *networkingv1.Ingress, a annotations) error {
	if len(validation.IsDNS1123Label(ing.Namespace)) > 0 || len(validation.IsDNS1123Subdomain(ing.Name)) > 0 {
		return fmt.Errorf("ingress has an invalid name")
	}
	if d := ing.Spec.DefaultBackend; d != nil {
		if err := checkBackend(*d); err != nil {
			return err
		}
	}
	for _, r := range ing.Spec.Rules {
		if err := checkHost(r.Host); err != nil {
			return err
		}
		if r.HTTP == nil {
			continue
		}
		for _, p := range r.HTTP.Paths {
			if err := checkPath(p); err != nil {
				return fmt.Errorf("ingress contains invalid paths: %w", err)
			}
			if err := checkBackend(p.Backend); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkHost takes a DNS name, or one with a wildcard as its first label.
func checkHost(host string) error {
	if host == "" {
		return nil
	}
	problems := validation.IsDNS1123Subdomain(host)
	if strings.HasPrefix(host, "*.") {
		problems = validation.IsWildcardDNS1123Subdomain(host)
	}
	if len(problems) > 0 {
		return fmt.Errorf("host %q is invalid: %s", host, problems[0])
	}
	return nil
}

// checkPath lets expressions only into paths of type ImplementationSpecific, and
// control characters into none: no request line can have them.
func checkPath(p networkingv1.HTTPIngressPath) error {
	pathType := networkingv1.PathTypeImplementationSpecific
	if p.PathType != nil {
		pathType = *p.PathType
	}
	invalid := p.Path != "" && p.Path[0] != '/'
	for _, r := range p.Path {
		if r < ' ' || r == 0x7f {
			invalid = true
		}
		if pathType != networkingv1.PathTypeImplementationSpecific && strings.ContainsRune(expressionCharacters, r) {
			invalid = true
		}
	}
	if invalid {
		return fmt.Errorf("path %s cannot be used with pathType %s", strings.ToValidUTF8(printable(p.Path), "?"), pathType)
	}
	return nil
}

// printable is s with control characters made visible.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// checkBackend holds a backend's names to the API's rules.
func checkBackend(b networkingv1.IngressBackend) error {
	if b.Service == nil {
		return nil
	}
	if problems := validation.IsDNS1035Label(b.Service.Name); len(problems) > 0 && len(validation.IsDNS1123Label(b.Service.Name)) > 0 {
		return fmt.Errorf("service name %q is invalid: %s", printable(b.Service.Name), problems[0])
	}
	if n := b.Service.Port.Name; n != "" && len(validation.IsValidPortName(n)) > 0 {
		return fmt.Errorf("port name %q is invalid", printable(n))
	}
	return nil
}
