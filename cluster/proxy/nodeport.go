package proxy

import (
	"slices"
	"strconv"
	"strings"
)

// externallyAccessible tells whether there is a way to the Service from outside of the
// cluster (ExternallyAccessible in pkg/proxy/serviceport.go).
func (p *servicePort) externallyAccessible() bool {
	return p.nodePort != 0 || len(p.externalIPs) > 0 || len(p.loadBalancerVIPs) > 0
}

// externalElements captures what comes from outside: node ports, external IPs and load
// balancer addresses all lead to the port's external chain. reachable says that there is
// an endpoint that such traffic may use.
func (p *servicePort) externalElements(s *state, n chainNames, c endpointCategories, reachable bool) {
	number := strconv.Itoa(int(p.number))
	for _, addr := range slices.Concat(p.externalIPs, p.loadBalancerVIPs) {
		if c.any {
			s.add(serviceIPsMap, "goto "+n.external, "", addr.String(), p.protocol, number)
		}
		if !reachable {
			s.add(noEndpointServicesMap, noEndpointVerdict(c), n.comment, addr.String(), p.protocol, number)
		}
	}
	p.nodePortElements(s, n, c, reachable)
	p.firewallElements(s, n)
}

// nodePortElements captures the node port. The key has no address: the rules that look it
// up (fixedChains) have made sure that the packet is for an address of this node, and then
// any of them will do.
func (p *servicePort) nodePortElements(s *state, n chainNames, c endpointCategories, reachable bool) {
	if p.nodePort == 0 {
		return
	}
	port := strconv.Itoa(int(p.nodePort))
	if c.any {
		s.add(serviceNodePortsMap, "goto "+n.external, "", p.protocol, port)
	}
	if !reachable {
		s.add(noEndpointNodePortsMap, noEndpointVerdict(c), n.comment, p.protocol, port)
	}
}

// firewallElements drops what comes to a load balancer's address from a client that
// loadBalancerSourceRanges does not name. It has to happen on every node, because a load
// balancer that hands packets over as they are leaves the choice to the nodes.
func (p *servicePort) firewallElements(s *state, n chainNames) {
	if len(p.loadBalancerSourceRanges) == 0 || len(p.loadBalancerVIPs) == 0 {
		return
	}
	ranges := make([]string, len(p.loadBalancerSourceRanges))
	for i, r := range p.loadBalancerSourceRanges {
		ranges[i] = r.String()
	}
	number := strconv.Itoa(int(p.number))
	for _, addr := range p.loadBalancerVIPs {
		s.add(firewallIPsMap, "goto "+n.firewall, "", addr.String(), p.protocol, number)
	}
	s.chains[n.firewall] = []rule{{"ip saddr != { " + strings.Join(ranges, ", ") + " } drop", "loadBalancerSourceRanges"}}
}

// externalRules decide on the source address of traffic from outside. With
// policy Cluster the endpoint may be on another node, whose answer must come
// back here: masqueraded. With policy Local the client's address is kept.
func (p *servicePort) externalRules(n chainNames, reachable bool, podRange string) []rule {
	if !p.externalLocal {
		return []rule{{setMasqueradeMark, "the answer comes back through this node"}, {"goto " + n.cluster, ""}}
	}
	// Policy Local is about clients outside. Whoever is inside and uses the same address
	// has no hop to save and no address to keep.
	var rules []rule
	if podRange != "" {
		rules = append(rules, rule{"ip saddr " + podRange + " goto " + n.cluster, "pods may use any node's endpoints"})
	}
	rules = append(rules,
		rule{fromThisNode + " " + setMasqueradeMark, "the node's own traffic"},
		rule{fromThisNode + " goto " + n.cluster, "and may use any node's endpoints"},
	)
	if reachable {
		rules = append(rules, rule{"goto " + n.local, ""})
	}
	return rules
}
