package proxy

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/knftables"
)

// masqueradeBit marks packets that leave with this node's address.
const masqueradeBit = "0x4000"

const (
	setMasqueradeMark = "mark set mark or " + masqueradeBit
	fromThisNode      = "fib saddr type local"
)

// rulesFor says what the kernel needs for one service port. What happens to a
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
func rulesFor(p *servicePort, podRange string) *state {
	s := newState()
	n := namesFor(p)
	c := p.choose()

	internal, internalChain := c.cluster, n.cluster
	if p.internalLocal {
		internal, internalChain = c.local, n.local
	}
	external := c.cluster
	if p.externalLocal {
		external = c.local
	}

	number := strconv.Itoa(int(p.number))
	s.add(clusterIPs, "", "", p.clusterIP.String())
	if len(internal) > 0 {
		s.add(serviceIPs, "goto "+internalChain, "", p.clusterIP.String(), p.protocol, number)
	} else {
		s.add(noEndpointServices, noEndpointVerdict(c), n.comment, p.clusterIP.String(), p.protocol, number)
	}
	p.externalElements(s, n, c, len(external) > 0)

	// The cluster chain also serves those that traffic policy Local does not apply to.
	if len(c.cluster) > 0 && (!p.internalLocal || p.reachedFromOutside()) {
		p.balance(s, n, n.cluster, c.cluster)
	}
	if len(c.local) > 0 && (p.internalLocal || p.reachedFromOutside()) {
		p.balance(s, n, n.local, c.local)
	}
	if c.any && p.reachedFromOutside() {
		s.chains[n.external] = p.externalRules(n, len(external) > 0, podRange)
	}
	return s
}

func (p *servicePort) reachedFromOutside() bool {
	return p.nodePort != 0 || len(p.external) > 0 || len(p.balancer) > 0
}

// noEndpointVerdict: nobody anywhere is refused; nobody on this node, where
// the policy wants one, is dropped, because a load balancer may try the next node.
func noEndpointVerdict(c choice) string {
	if c.any {
		return "drop"
	}
	return "goto " + rejectChain
}

// externalElements captures node ports, external and load balancer addresses.
func (p *servicePort) externalElements(s *state, n names, c choice, reachable bool) {
	number := strconv.Itoa(int(p.number))
	toExternal := "goto " + n.external
	for _, addr := range append(append([]netip.Addr{}, p.external...), p.balancer...) {
		if c.any {
			s.add(serviceIPs, toExternal, "", addr.String(), p.protocol, number)
		}
		if !reachable {
			s.add(noEndpointServices, noEndpointVerdict(c), n.comment, addr.String(), p.protocol, number)
		}
	}
	if p.nodePort != 0 {
		port := strconv.Itoa(int(p.nodePort))
		if c.any {
			s.add(serviceNodePorts, toExternal, "", p.protocol, port)
		}
		if !reachable {
			s.add(noEndpointNodePorts, noEndpointVerdict(c), n.comment, p.protocol, port)
		}
	}
	if len(p.sources) == 0 || len(p.balancer) == 0 {
		return
	}
	ranges := make([]string, len(p.sources))
	for i, r := range p.sources {
		ranges[i] = r.String()
	}
	for _, addr := range p.balancer {
		s.add(firewallIPs, "goto "+n.firewall, "", addr.String(), p.protocol, number)
	}
	s.chains[n.firewall] = []rule{{"ip saddr != { " + strings.Join(ranges, ", ") + " } drop", "loadBalancerSourceRanges"}}
}

// externalRules decide on the source address of traffic from outside. With
// policy Cluster the endpoint may be on another node, whose answer must come
// back here: masqueraded. With policy Local the client's address is kept.
func (p *servicePort) externalRules(n names, reachable bool, podRange string) []rule {
	if !p.externalLocal {
		return []rule{{setMasqueradeMark, "the answer comes back through this node"}, {"goto " + n.cluster, ""}}
	}
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

// balance fills a chain that spreads connections over endpoints, and notes
// which of them could reach themselves through the Service: a pod that gets a
// packet from its own address would answer it directly, and not to this node.
func (p *servicePort) balance(s *state, n names, chain string, endpoints []endpoint) {
	for _, e := range endpoints {
		if e.local {
			ip := e.addr.Addr().String()
			s.add(hairpinConnections, "", "", ip, ip, p.protocol, strconv.Itoa(int(e.addr.Port())))
		}
	}
	if p.affinity > 0 {
		p.stick(s, n, chain, endpoints)
		return
	}
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

// stick is balance with session affinity ClientIP: one set per endpoint
// remembers its clients; who is in none is sent to any.
func (p *servicePort) stick(s *state, n names, chain string, endpoints []endpoint) {
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

// names are the chains of a service port, in the form that upstream gives them:
// a hash that keeps them apart, then what a person looks for.
type names struct {
	base, comment                      string
	cluster, local, external, firewall string
}

func namesFor(p *servicePort) names {
	base := strings.Join([]string{p.namespace, p.service, p.protocol, p.port}, "/")
	hashed := hashed(base)
	comment := p.namespace + "/" + p.service
	if p.port != "" {
		comment += ":" + p.port
	}
	return names{
		base: base, comment: comment[:min(len(comment), knftables.CommentLengthMax)],
		cluster: "service-" + hashed, local: "local-" + hashed, external: "external-" + hashed, firewall: "firewall-" + hashed,
	}
}

func (n names) endpoint(e endpoint) string {
	return "endpoint-" + hashed(fmt.Sprintf("%s__%s/%d", n.base, e.addr.Addr(), e.addr.Port()))
}

// affinity names an endpoint's set of clients. The time is part of the name,
// because that of an existing set can't be changed.
func (n names) affinity(e endpoint, keep time.Duration) string {
	return "affinity-" + hashed(fmt.Sprintf("%s__%s/%d/%ds", n.base, e.addr.Addr(), e.addr.Port(), int(keep.Seconds())))
}

// hashed puts a hash before a name, which makes it unique even where it has to be cut.
func hashed(name string) string {
	sum := sha256.Sum256([]byte(name))
	name = base32.StdEncoding.EncodeToString(sum[:])[:8] + "-" + name
	const room = knftables.NameLengthMax - len("firewall-") - 1
	if len(name) > room {
		return name[:room-3] + "..."
	}
	return name
}

// isServiceChain tells the chains of service ports from the fixed ones, none
// of which has a slash in its name.
func isServiceChain(name string) bool { return strings.Contains(name, "/") }

func isAffinitySet(name string) bool { return strings.HasPrefix(name, "affinity-") }
