package ingress

import (
	"net"
	"slices"
	"strconv"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

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
	b.upstreams[name] = upstream{Name: name, Endpoints: endpoints}
	return name
}

// upstreamName is ingress-nginx's, which its access log shows and its users search for.
func upstreamName(namespace string, s *networkingv1.IngressServiceBackend) string {
	return namespace + "-" + s.Name + "-" + portName(s.Port)
}

// endpoints are the ready addresses behind a port of a Service, which an Ingress
// names by number or by name. Like ingress-nginx we also take the number or
// name of its targetPort.
func (w world) endpoints(service string, port networkingv1.ServiceBackendPort) []string {
	svc := w.Services[service]
	if svc == nil {
		return nil
	}
	want := portName(port)
	for _, p := range svc.Spec.Ports {
		if strconv.Itoa(int(p.Port)) == want || p.Name == want || p.TargetPort.String() == want {
			return readyEndpoints(w.Slices[service], p.Name)
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

// readyEndpoints lists the ready endpoints of a Service's port. They come straight from the
// slices: going through the Service's address would add a hop and leave the choice
// of the pod to somebody else.
func readyEndpoints(slicesOf []*discoveryv1.EndpointSlice, port string) []string {
	var list []string
	for _, slice := range slicesOf {
		if slice.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		for _, p := range slice.Ports {
			if p.Port == nil || name(p.Name) != port || p.Protocol != nil && *p.Protocol != v1.ProtocolTCP {
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
