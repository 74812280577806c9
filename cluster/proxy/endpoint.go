package proxy

import (
	"cmp"
	"net/netip"
	"slices"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
)

// endpoint is one address behind a service port (BaseEndpointInfo in
// pkg/proxy/endpoint.go). The conditions are those of an EndpointSlice (KEP-1672): serving
// is ready regardless of termination.
type endpoint struct {
	addr                               netip.AddrPort
	local, ready, serving, terminating bool
}

// makeEndpoints collects what the slices list for a port, sorted and each once
// (getEndpointsMap in pkg/proxy/endpointslicecache.go). A slice belongs to a port by its
// name: the number may be another, that of the pods.
//
// Where an address is in two slices (while it moves from one to the other) the
// more useful of the two counts.
func makeEndpoints(sl []*discoveryv1.EndpointSlice, port v1.ServicePort, node string) []endpoint {
	found := map[netip.AddrPort]endpoint{}
	for _, slice := range sl {
		if slice.AddressType != discoveryv1.AddressTypeIPv4 {
			continue
		}
		for _, p := range slice.Ports {
			if ptr.Deref(p.Name, "") != port.Name || p.Port == nil || ptr.Deref(p.Protocol, v1.ProtocolTCP) != cmp.Or(port.Protocol, v1.ProtocolTCP) {
				continue
			}
			for i := range slice.Endpoints {
				e, ok := makeEndpoint(&slice.Endpoints[i], uint16(*p.Port), node)
				if !ok {
					continue
				}
				if other, twice := found[e.addr]; !twice || !other.ready && e.ready {
					found[e.addr] = e
				}
			}
		}
	}
	all := make([]endpoint, 0, len(found))
	for _, e := range found {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b endpoint) int { return a.addr.Compare(b.addr) })
	return all
}

// makeEndpoint reads one endpoint. A condition that is not set counts as ready,
// serving and not terminating, as the API says.
func makeEndpoint(e *discoveryv1.Endpoint, port uint16, node string) (endpoint, bool) {
	if len(e.Addresses) == 0 {
		return endpoint{}, false
	}
	addr, ok := ipv4(e.Addresses[0]) // further ones have no meaning any more
	if !ok {
		return endpoint{}, false
	}
	ready := ptr.Deref(e.Conditions.Ready, true)
	return endpoint{
		addr:        netip.AddrPortFrom(addr, port),
		local:       ptr.Deref(e.NodeName, "") == node && node != "",
		ready:       ready,
		serving:     ptr.Deref(e.Conditions.Serving, ready),
		terminating: ptr.Deref(e.Conditions.Terminating, false),
	}, true
}
