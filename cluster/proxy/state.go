package proxy

import (
	"maps"
	"time"
)

// state is the part of the nftables table that changes with the Services. It
// is plain data: rules are computed as one, compared with the one that the kernel
// has, and the difference becomes a transaction.
type state struct {
	// chains are the rules of every chain that belongs to a service port. nil
	// rules, as read from the kernel, are unlike any others.
	chains map[string][]rule
	// affinity holds, for each set that remembers clients, for how long.
	affinity map[string]time.Duration
	// elements are those of the fixed maps and sets, by container and key.
	elements map[string]map[string]element
}

// rule is one rule and what it is for.
type rule struct {
	text, comment string
}

// element is an entry of a map or, without a value, of a set.
type element struct {
	key            []string
	value, comment string
}

func newState() *state {
	s := &state{
		chains:   map[string][]rule{},
		affinity: map[string]time.Duration{},
		elements: make(map[string]map[string]element, len(containers)),
	}
	for _, c := range containers {
		s.elements[c.name] = map[string]element{}
	}
	return s
}

// add puts an element in, unless its key is taken: of two Services that claim
// one address, the first keeps it.
func (s *state) add(container, value, comment string, key ...string) {
	joined := joinKey(key)
	if _, taken := s.elements[container][joined]; !taken {
		s.elements[container][joined] = element{key: key, value: value, comment: comment}
	}
}

func joinKey(key []string) string {
	joined := ""
	for i, k := range key {
		if i > 0 {
			joined += " . "
		}
		joined += k
	}
	return joined
}

// merge adds what other has; what is there already stays.
func (s *state) merge(other *state) {
	maps.Copy(s.chains, other.chains)
	maps.Copy(s.affinity, other.affinity)
	for container, elements := range other.elements {
		for key, e := range elements {
			if _, taken := s.elements[container][key]; !taken {
				s.elements[container][key] = e
			}
		}
	}
}

// container is a map or set with a fixed name.
type container struct {
	name, kind, about string
	isMap             bool
}

// The names are those of kube-proxy's nftables mode, so that whoever learned to read
// these rules can read those (pkg/proxy/nftables in Kubernetes' source).
const (
	table = "kube-proxy"

	servicesChain    = "services"
	masqueradeChain  = "masquerading"
	rejectChain      = "reject-chain"
	noEndpointsChain = "service-endpoints-check"
	noNodePortsChain = "nodeport-endpoints-check"
	clusterIPsChain  = "cluster-ips-check"
	firewallChain    = "firewall-check"

	clusterIPs          = "cluster-ips"
	serviceIPs          = "service-ips"
	serviceNodePorts    = "service-nodeports"
	noEndpointServices  = "no-endpoint-services"
	noEndpointNodePorts = "no-endpoint-nodeports"
	firewallIPs         = "firewall-ips"
	hairpinConnections  = "hairpin-connections"
)

var containers = []container{
	{clusterIPs, "ipv4_addr", "every ClusterIP", false},
	{serviceIPs, "ipv4_addr . inet_proto . inet_service : verdict", "ClusterIP, external IP and load balancer traffic", true},
	{serviceNodePorts, "inet_proto . inet_service : verdict", "node port traffic", true},
	{noEndpointServices, "ipv4_addr . inet_proto . inet_service : verdict", "addresses with nobody to answer", true},
	{noEndpointNodePorts, "inet_proto . inet_service : verdict", "node ports with nobody to answer", true},
	{firewallIPs, "ipv4_addr . inet_proto . inet_service : verdict", "addresses with loadBalancerSourceRanges", true},
	{hairpinConnections, "ipv4_addr . ipv4_addr . inet_proto . inet_service", "pods of this node reaching themselves", false},
}
