package proxy

import (
	"maps"
	"time"
)

// state is the part of the nftables table that changes with the Services. It
// is plain data: what is wanted is computed as one, compared with the one that the kernel
// has, and the difference becomes a transaction. So what a Service becomes can be tested
// without a kernel, and a change of one Service costs the same among ten or ten thousand.
type state struct {
	// chains are the rules of every chain that belongs to a service port. nil
	// rules, as read from the kernel, are unlike any others.
	chains map[string][]rule
	// affinity holds, for each set that remembers clients, for how long.
	affinity map[string]time.Duration
	// elements are those of the fixed maps and sets, by container and key.
	elements map[string]map[string]element
}

// rule is one rule and what it is for: the comment shows up in `nft list`.
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
		elements: make(map[string]map[string]element, len(nftContainers)),
	}
	for _, c := range nftContainers {
		s.elements[c.name] = map[string]element{}
	}
	return s
}

// add puts an element in, unless its key is taken: of two Services that claim
// one address, the first keeps it.
func (s *state) add(container, value, comment string, key ...string) {
	joined := joinNFTSlice(key)
	if _, taken := s.elements[container][joined]; !taken {
		s.elements[container][joined] = element{key: key, value: value, comment: comment}
	}
}

// joinNFTSlice is a key or value of several parts as nft writes it: "10.96.0.1 . tcp . 443".
func joinNFTSlice(key []string) string {
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

// nftContainer is a map or set with a fixed name. kind is the type of its keys and, after
// a colon, values.
type nftContainer struct {
	name, kind, about string
	isMap             bool
	// captures says that the first part of a key is where a packet is sent to, and
	// that what is sent there does not arrive as it is.
	captures bool
}

// The names are those of kube-proxy's nftables mode, so that whoever learned to read
// these rules can read those (pkg/proxy/nftables in Kubernetes' source).
const (
	kubeProxyTable = "kube-proxy"

	servicesChain               = "services"
	masqueradingChain           = "masquerading"
	rejectChain                 = "reject-chain"
	serviceEndpointsCheckChain  = "service-endpoints-check"
	nodePortEndpointsCheckChain = "nodeport-endpoints-check"
	clusterIPsCheckChain        = "cluster-ips-check"
	firewallCheckChain          = "firewall-check"

	clusterIPsSet          = "cluster-ips"
	serviceIPsMap          = "service-ips"
	serviceNodePortsMap    = "service-nodeports"
	noEndpointServicesMap  = "no-endpoint-services"
	noEndpointNodePortsMap = "no-endpoint-nodeports"
	firewallIPsMap         = "firewall-ips"
	hairpinConnectionsSet  = "hairpin-connections"
)

// nftContainers are the fixed maps and sets.
var nftContainers = []nftContainer{
	{clusterIPsSet, "ipv4_addr", "every ClusterIP", false, false},
	{serviceIPsMap, "ipv4_addr . inet_proto . inet_service : verdict", "ClusterIP, external IP and load balancer traffic", true, true},
	{serviceNodePortsMap, "inet_proto . inet_service : verdict", "node port traffic", true, false},
	{noEndpointServicesMap, "ipv4_addr . inet_proto . inet_service : verdict", "addresses with nobody to answer", true, true},
	{noEndpointNodePortsMap, "inet_proto . inet_service : verdict", "node ports with nobody to answer", true, false},
	{firewallIPsMap, "ipv4_addr . inet_proto . inet_service : verdict", "addresses with loadBalancerSourceRanges", true, true},
	{hairpinConnectionsSet, "ipv4_addr . ipv4_addr . inet_proto . inet_service", "pods of this node reaching themselves", false, false},
}
