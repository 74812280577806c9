package proxy

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
)

// servicePort is one port of one Service, reduced to what decides its rules
// (BaseServicePortInfo in pkg/proxy/serviceport.go). Two that are equal have equal rules:
// that is how a change is found to be none.
type servicePort struct {
	namespace, service, port string // port is its name, empty for an only one
	protocol                 string // tcp, udp or sctp, as nftables writes it

	clusterIP                netip.Addr
	number                   uint16
	nodePort                 uint16       // 0: none
	externalIPs              []netip.Addr // addresses that the user routes to the nodes
	loadBalancerVIPs         []netip.Addr // addresses that a load balancer was given
	loadBalancerSourceRanges []netip.Prefix

	affinity      time.Duration // sessionAffinity ClientIP: for how long; 0: none
	internalLocal bool          // internalTrafficPolicy: Local
	externalLocal bool          // externalTrafficPolicy: Local

	endpoints []endpoint
}

// headless says that a Service has no address for a proxy to answer on: its DNS name
// leads to the pods themselves, or somewhere else altogether.
func headless(s *v1.Service) bool {
	return s.Spec.Type == v1.ServiceTypeExternalName || s.Spec.ClusterIP == "" || s.Spec.ClusterIP == v1.ClusterIPNone
}

// makeServicePorts puts a Service and its slices together, seen from node
// (newBaseServiceInfo in pkg/proxy/serviceport.go).
func makeServicePorts(s *v1.Service, sl []*discoveryv1.EndpointSlice, node string, own []netip.Prefix) []servicePort {
	if s == nil || headless(s) {
		return nil
	}
	clusterIP, ok := ipv4(s.Spec.ClusterIP)
	if !ok {
		return nil
	}
	base := servicePort{
		namespace: s.Namespace, service: s.Name, clusterIP: clusterIP,
		internalLocal:            ptr.Deref(s.Spec.InternalTrafficPolicy, v1.ServiceInternalTrafficPolicyCluster) == v1.ServiceInternalTrafficPolicyLocal,
		externalLocal:            s.Spec.ExternalTrafficPolicy == v1.ServiceExternalTrafficPolicyLocal,
		affinity:                 stickyMaxAge(s),
		externalIPs:              notIn(own, addresses(s.Spec.ExternalIPs)),
		loadBalancerVIPs:         notIn(own, loadBalancerVIPs(s)),
		loadBalancerSourceRanges: loadBalancerSourceRanges(s),
	}
	ports := make([]servicePort, 0, len(s.Spec.Ports))
	for _, p := range s.Spec.Ports {
		one := base
		one.port, one.number, one.nodePort = p.Name, uint16(p.Port), uint16(p.NodePort)
		one.protocol = strings.ToLower(string(cmp.Or(p.Protocol, v1.ProtocolTCP)))
		one.endpoints = makeEndpoints(sl, p, node)
		ports = append(ports, one)
	}
	return ports
}

// stickyMaxAge is for how long a client goes to the same endpoint, counted from its last
// connection (StickyMaxAgeSeconds).
func stickyMaxAge(s *v1.Service) time.Duration {
	if s.Spec.SessionAffinity != v1.ServiceAffinityClientIP {
		return 0
	}
	seconds := v1.DefaultClientIPServiceAffinitySeconds
	if c := s.Spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
		seconds = *c.ClientIP.TimeoutSeconds
	}
	return time.Duration(seconds) * time.Second
}

// loadBalancerVIPs are the addresses at which the load balancer hands packets over
// as they are; in mode Proxy it connects to the node itself (KEP-1860).
func loadBalancerVIPs(s *v1.Service) []netip.Addr {
	var texts []string
	for _, in := range s.Status.LoadBalancer.Ingress {
		if ptr.Deref(in.IPMode, v1.LoadBalancerIPModeVIP) == v1.LoadBalancerIPModeVIP {
			texts = append(texts, in.IP)
		}
	}
	return addresses(texts)
}

// loadBalancerSourceRanges are the only clients that may use the load balancer.
func loadBalancerSourceRanges(s *v1.Service) []netip.Prefix {
	var ranges []netip.Prefix
	for _, text := range s.Spec.LoadBalancerSourceRanges {
		if p, err := netip.ParsePrefix(strings.TrimSpace(text)); err == nil && p.Addr().Is4() {
			ranges = append(ranges, p.Masked())
		}
	}
	return ranges
}

// addresses are those of the texts that are IPv4 addresses; an external IP may be of the
// other family.
func addresses(texts []string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		if a, ok := ipv4(text); ok {
			all = append(all, a)
		}
	}
	return all
}

// notIn leaves out what is the cluster's own. A policy refuses Services that name such
// addresses (package guards), but one may be there from before. It would get what
// is sent to the API server, also by this proxy.
func notIn(own []netip.Prefix, all []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(all, func(a netip.Addr) bool {
		return slices.ContainsFunc(own, func(n netip.Prefix) bool { return n.Contains(a) })
	})
}

// ipv4 parses an address of the family that this proxy serves.
func ipv4(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	return a, err == nil && a.Is4()
}
