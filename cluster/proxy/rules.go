package proxy

import (
	"fmt"
	"strconv"
	"strings"
)

// masqueradeBit marks packets that leave with this node's address: bit 14 of the packet's
// mark, kube-proxy's default of --nftables-masquerade-bit. Whether to masquerade is
// decided before routing, where the client and the Service are still to be seen; it is
// done after routing, where the mark is all that is left of that.
const masqueradeBit = "0x4000"

const (
	setMasqueradeMark = "mark set mark or " + masqueradeBit
	fromThisNode      = "fib saddr type local"
)

// rulesFor says what the kernel needs for one service port: what the loop of
// syncProxyRules in pkg/proxy/nftables/proxier.go writes for each. What happens to a
// packet, from top to bottom:
//
//	services    looks its destination up in a map and goes to
//	external-…  (for node ports and external addresses) decides on masquerading, then
//	service-…   or local-… picks an endpoint at random and rewrites the destination,
//	            or, with session affinity, goes to the client's last
//	endpoint-…  which remembers the client and rewrites the destination.
//
// Without endpoints there is nothing of this, and the filter chains answer
// with a reset or an ICMP error: a refused connection instead of a hanging one.
//
// All of that happens to the first packet of a connection only. The kernel remembers what
// it did (conntrack), does the same to the packets that follow, and undoes it for the
// answers.
func rulesFor(p *servicePort, podRange string) *state {
	s := newState()
	n := chainNamesFor(p)
	c := p.categorizeEndpoints()

	internal, internalChain := c.cluster, n.cluster
	if p.internalLocal {
		internal, internalChain = c.local, n.local
	}
	external := c.cluster
	if p.externalLocal {
		external = c.local
	}

	number := strconv.Itoa(int(p.number))
	s.add(clusterIPsSet, "", "", p.clusterIP.String())
	if len(internal) > 0 {
		s.add(serviceIPsMap, "goto "+internalChain, "", p.clusterIP.String(), p.protocol, number)
	} else {
		s.add(noEndpointServicesMap, noEndpointVerdict(c), n.comment, p.clusterIP.String(), p.protocol, number)
	}
	p.externalElements(s, n, c, len(external) > 0)

	// The cluster chain also serves those that traffic policy Local does not apply to.
	if len(c.cluster) > 0 && (!p.internalLocal || p.externallyAccessible()) {
		p.balance(s, n, n.cluster, c.cluster)
	}
	if len(c.local) > 0 && (p.internalLocal || p.externallyAccessible()) {
		p.balance(s, n, n.local, c.local)
	}
	if c.any && p.externallyAccessible() {
		s.chains[n.external] = p.externalRules(n, len(external) > 0, podRange)
	}
	return s
}

// noEndpointVerdict: nobody anywhere is refused; nobody on this node, where
// the policy wants one, is dropped, because a load balancer may try the next node.
func noEndpointVerdict(c endpointCategories) string {
	if c.any {
		return "drop"
	}
	return "goto " + rejectChain
}

// balance fills a chain that spreads connections over endpoints, and notes
// which of them could reach themselves through the Service: a pod that gets a
// packet from its own address would answer it directly, and not to this node.
func (p *servicePort) balance(s *state, n chainNames, chain string, endpoints []endpoint) {
	for _, e := range endpoints {
		if e.local {
			ip := e.addr.Addr().String()
			s.add(hairpinConnectionsSet, "", "", ip, ip, p.protocol, strconv.Itoa(int(e.addr.Port())))
		}
	}
	if p.affinity > 0 {
		p.writeServiceToEndpointJumps(s, n, chain, endpoints)
		return
	}
	p.writeServiceToEndpointDNATs(s, chain, endpoints)
}

// writeServiceToEndpointDNATs picks an endpoint at random and rewrites the destination, in
// one rule however many endpoints there are (writeServiceToEndpointDNATs in
// pkg/proxy/nftables/proxier.go). That is the point of nftables: the kernel looks one
// number up in a map, where iptables goes through a rule for each endpoint.
func (p *servicePort) writeServiceToEndpointDNATs(s *state, chain string, endpoints []endpoint) {
	if len(endpoints) == 1 {
		s.chains[chain] = []rule{{p.dnat() + " to " + endpoints[0].addr.String(), ""}}
		return
	}
	choices := make([]string, len(endpoints))
	for i, e := range endpoints {
		choices[i] = fmt.Sprintf("%d : %s . %d", i, e.addr.Addr(), e.addr.Port())
	}
	s.chains[chain] = []rule{{fmt.Sprintf("%s ip addr . port to numgen random mod %d map { %s }", p.dnat(), len(endpoints), strings.Join(choices, " , ")), ""}}
}

// writeServiceToEndpointJumps is the same with session affinity ClientIP
// (writeServiceToEndpointJumps in pkg/proxy/nftables/proxier.go): one set per endpoint
// remembers its clients, and who is in none is sent to any. Each endpoint needs a chain of
// its own for that, which notes the client before it rewrites the destination.
func (p *servicePort) writeServiceToEndpointJumps(s *state, n chainNames, chain string, endpoints []endpoint) {
	rules := make([]rule, 0, len(endpoints)+1)
	choices := make([]string, len(endpoints))
	for i, e := range endpoints {
		name := n.endpoint(e)
		set := n.affinity(e, p.affinity)
		s.affinity[set] = p.affinity
		s.chains[name] = []rule{
			{"update @" + set + " { ip saddr }", "remember the client"},
			{p.dnat() + " to " + e.addr.String(), ""},
		}
		rules = append(rules, rule{"ip saddr @" + set + " goto " + name, ""})
		choices[i] = fmt.Sprintf("%d : goto %s", i, name)
	}
	rules = append(rules, rule{fmt.Sprintf("numgen random mod %d vmap { %s }", len(endpoints), strings.Join(choices, " , ")), ""})
	s.chains[chain] = rules
}

// dnat: nft wants the protocol to be known where a port is rewritten.
func (p *servicePort) dnat() string { return "meta l4proto " + p.protocol + " dnat" }
