package proxy

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
)

// servicePort is one port of one Service, reduced to what decides its rules.
type servicePort struct {
	namespace, service, port string // port is its name, empty for an only one
	protocol                 string // tcp, udp or sctp

	clusterIP netip.Addr
	number    uint16
	nodePort  uint16       // 0: none
	external  []netip.Addr // externalIPs
	balancer  []netip.Addr // addresses that a load balancer was given
	sources   []netip.Prefix

	affinity      time.Duration // 0: none
	internalLocal bool          // internalTrafficPolicy: Local
	externalLocal bool          // externalTrafficPolicy: Local

	endpoints []endpoint
}

// endpoint is one address behind a service port. The conditions are those of
// an EndpointSlice (KEP-1672): serving is ready regardless of termination.
type endpoint struct {
	addr                               netip.AddrPort
	local, ready, serving, terminating bool
}

// headless says that a Service has no address for a proxy to answer on.
func headless(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeExternalName || s.Spec.ClusterIP == "" || s.Spec.ClusterIP == corev1.ClusterIPNone
}

// portsOf puts a Service and its slices together, seen from node.
func portsOf(s *corev1.Service, sl []*discoveryv1.EndpointSlice, node string) []servicePort {
	if s == nil || headless(s) {
		return nil
	}
	clusterIP, ok := ipv4(s.Spec.ClusterIP)
	if !ok {
		return nil
	}
	base := servicePort{
		namespace: s.Namespace, service: s.Name, clusterIP: clusterIP,
		internalLocal: ptr.Deref(s.Spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster) == corev1.ServiceInternalTrafficPolicyLocal,
		externalLocal: s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal,
		affinity:      affinityOf(s),
		external:      addresses(s.Spec.ExternalIPs),
		balancer:      balancerAddresses(s),
		sources:       sourceRanges(s),
	}
	ports := make([]servicePort, 0, len(s.Spec.Ports))
	for _, p := range s.Spec.Ports {
		one := base
		one.port, one.number, one.nodePort = p.Name, uint16(p.Port), uint16(p.NodePort)
		one.protocol = strings.ToLower(string(cmp.Or(p.Protocol, corev1.ProtocolTCP)))
		one.endpoints = endpointsOf(sl, p, node)
		ports = append(ports, one)
	}
	return ports
}

// endpointsOf collects what the slices list for a port, sorted and each once.
// Where an address is in two slices (while it moves from one to the other) the
// more useful of the two counts.
func endpointsOf(sl []*discoveryv1.EndpointSlice, port corev1.ServicePort, node string) []endpoint {
	found := map[netip.AddrPort]endpoint{}
	for _, slice := range sl {
		if slice.AddressType != discoveryv1.AddressTypeIPv4 {
			continue
		}
		for _, p := range slice.Ports {
			if ptr.Deref(p.Name, "") != port.Name || p.Port == nil || ptr.Deref(p.Protocol, corev1.ProtocolTCP) != cmp.Or(port.Protocol, corev1.ProtocolTCP) {
				continue
			}
			for i := range slice.Endpoints {
				e, ok := endpointOf(&slice.Endpoints[i], uint16(*p.Port), node)
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

// endpointOf reads one endpoint. A condition that is not set counts as ready,
// serving and not terminating, as the API says.
func endpointOf(e *discoveryv1.Endpoint, port uint16, node string) (endpoint, bool) {
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

func affinityOf(s *corev1.Service) time.Duration {
	if s.Spec.SessionAffinity != corev1.ServiceAffinityClientIP {
		return 0
	}
	seconds := corev1.DefaultClientIPServiceAffinitySeconds
	if c := s.Spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
		seconds = *c.ClientIP.TimeoutSeconds
	}
	return time.Duration(seconds) * time.Second
}

// balancerAddresses are those at which the load balancer hands packets over
// as they are; in mode Proxy it connects to the node itself (KEP-1860).
func balancerAddresses(s *corev1.Service) []netip.Addr {
	var texts []string
	for _, in := range s.Status.LoadBalancer.Ingress {
		if ptr.Deref(in.IPMode, corev1.LoadBalancerIPModeVIP) == corev1.LoadBalancerIPModeVIP {
			texts = append(texts, in.IP)
		}
	}
	return addresses(texts)
}

func sourceRanges(s *corev1.Service) []netip.Prefix {
	var ranges []netip.Prefix
	for _, text := range s.Spec.LoadBalancerSourceRanges {
		if p, err := netip.ParsePrefix(strings.TrimSpace(text)); err == nil && p.Addr().Is4() {
			ranges = append(ranges, p.Masked())
		}
	}
	return ranges
}

func addresses(texts []string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		if a, ok := ipv4(text); ok {
			all = append(all, a)
		}
	}
	return all
}

// ipv4 parses an address of the family that this proxy serves.
func ipv4(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	return a, err == nil && a.Is4()
}

// choice is which endpoints a service port's traffic may go to.
type choice struct {
	cluster []endpoint // policy Cluster: any node's
	local   []endpoint // policy Local: this node's
	any     bool       // there is one somewhere, of use to some policy
}

// choose picks endpoints as the API asks for: the ready ones; where there are
// none, those that still serve while they terminate, so that a rollout or a
// drain loses no connection (KEP-1669).
func (p *servicePort) choose() choice {
	var c choice
	c.cluster = prefer(p.endpoints, false)
	if p.internalLocal || p.externalLocal {
		c.local = prefer(p.endpoints, true)
	}
	c.any = len(c.cluster) > 0
	return c
}

func prefer(all []endpoint, localOnly bool) []endpoint {
	var ready, leaving []endpoint
	for _, e := range all {
		switch {
		case localOnly && !e.local:
		case e.ready:
			ready = append(ready, e)
		case e.serving && e.terminating:
			leaving = append(leaving, e)
		}
	}
	if len(ready) > 0 {
		return ready
	}
	return leaving
}
