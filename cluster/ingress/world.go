package ingress

import (
	"net"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// World is what a configuration is made from, as seen at one moment. Services
// and Secrets go by NAMESPACE/NAME, slices by that of their Service.
type World struct {
	// Ingresses are those of our class.
	Ingresses []*networkingv1.Ingress
	Services  map[string]*corev1.Service
	Slices    map[string][]*discoveryv1.EndpointSlice
	Secrets   map[string]*corev1.Secret
}

// with is the same world with other Ingresses.
func (w World) with(ingresses []*networkingv1.Ingress) World {
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

func key(ing *networkingv1.Ingress) string { return ing.Namespace + "/" + ing.Name }

// endpoints are the ready addresses behind a port of a Service, which an Ingress
// names by number or by name. Like ingress-nginx we also take the number or
// name of its targetPort.
func (w World) endpoints(service string, port networkingv1.ServiceBackendPort) []string {
	svc := w.Services[service]
	if svc == nil {
		return nil
	}
	want := portName(port)
	for _, p := range svc.Spec.Ports {
		if strconv.Itoa(int(p.Port)) == want || p.Name == want || p.TargetPort.String() == want {
			return ready(w.Slices[service], p.Name)
		}
	}
	return nil
}

// portName is the port as the Ingress names it.
func portName(port networkingv1.ServiceBackendPort) string {
	if port.Name != "" {
		return port.Name
	}
	return strconv.Itoa(int(port.Number))
}

// ready lists the ready endpoints of a Service's port. They come straight from the
// slices: going through the Service's address would add a hop and leave the choice
// of the pod to somebody else.
func ready(slicesOf []*discoveryv1.EndpointSlice, port string) []string {
	var list []string
	for _, slice := range slicesOf {
		if slice.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		for _, p := range slice.Ports {
			if p.Port == nil || name(p.Name) != port || p.Protocol != nil && *p.Protocol != corev1.ProtocolTCP {
				continue
			}
			for _, e := range slice.Endpoints {
				if e.Conditions.Ready != nil && !*e.Conditions.Ready {
					continue
				}
				for _, address := range e.Addresses {
					if net.ParseIP(address) != nil {
						list = append(list, net.JoinHostPort(address, strconv.Itoa(int(*p.Port))))
					}
				}
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func name(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
