package ingress

import (
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// world is what a configuration is made from, as seen at one moment. Services
// and Secrets go by NAMESPACE/NAME, slices by that of their Service.
type world struct {
	// Ingresses are those of our class.
	Ingresses []*networkingv1.Ingress
	Services  map[string]*v1.Service
	Slices    map[string][]*discoveryv1.EndpointSlice
	Secrets   map[string]*v1.Secret
}

// with is the same world with other Ingresses.
func (w world) with(ingresses []*networkingv1.Ingress) world {
	w.Ingresses = ingresses
	return w
}

// byAge sorts Ingresses so that of two that claim the same, the older is first.
func byAge(ingresses []*networkingv1.Ingress) []*networkingv1.Ingress {
	sorted := slices.Clone(ingresses)
	slices.SortFunc(sorted, func(a, b *networkingv1.Ingress) int {
		if d := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); d != 0 {
			return d
		}
		return strings.Compare(key(a), key(b))
	})
	return sorted
}

// key names an Ingress.
func key(ing *networkingv1.Ingress) string { return ing.Namespace + "/" + ing.Name }
