package proxy

import (
	"strings"

	"sigs.k8s.io/knftables"
)

// baseChain is a chain that the kernel itself calls, from one of its netfilter hooks
// (nftablesBaseChain in pkg/proxy/nftables/proxier.go). All other chains are reached from
// one of these.
type baseChain struct {
	name     string
	kind     knftables.BaseChainType
	hook     knftables.BaseChainHook
	priority knftables.BaseChainPriority
	rules    []string
}

// baseChains are where packets enter our rules. On its way through a node a packet meets
// them in the order of hooks and, within one hook, of priorities:
//
//	prerouting    filter-prerouting-pre-dnat    source ranges, while the address is still
//	                                            the load balancer's
//	              nat-prerouting                the destination is rewritten
//	(routing)
//	input         filter-input                  for this node: refuse what nobody serves
//	forward       filter-forward                for a pod: the same
//	output        filter-output-pre-dnat,       what the node itself sends: all of that
//	              nat-output, filter-output
//	postrouting   nat-postrouting               masquerading, when the way out is known
//
// "ct state new" is the first packet of a connection. The kernel consults nat chains for
// nothing but first packets anyway.
var baseChains = []baseChain{
	{"filter-prerouting-pre-dnat", knftables.FilterType, knftables.PreroutingHook, knftables.DNATPriority + "-10",
		[]string{"ct state new jump " + firewallCheckChain}},
	{"filter-output-pre-dnat", knftables.FilterType, knftables.OutputHook, knftables.DNATPriority + "-10",
		[]string{"ct state new jump " + firewallCheckChain}},
	{"filter-input", knftables.FilterType, knftables.InputHook, knftables.FilterPriority,
		[]string{"ct state new jump " + nodePortEndpointsCheckChain, "ct state new jump " + serviceEndpointsCheckChain}},
	{"filter-forward", knftables.FilterType, knftables.ForwardHook, knftables.FilterPriority,
		[]string{"ct state new jump " + serviceEndpointsCheckChain, "ct state new jump " + clusterIPsCheckChain}},
	{"filter-output", knftables.FilterType, knftables.OutputHook, knftables.FilterPriority,
		[]string{"ct state new jump " + serviceEndpointsCheckChain, "ct state new jump " + clusterIPsCheckChain}},
	{"nat-prerouting", knftables.NATType, knftables.PreroutingHook, knftables.DNATPriority,
		[]string{"jump " + servicesChain}},
	{"nat-output", knftables.NATType, knftables.OutputHook, knftables.DNATPriority,
		[]string{"jump " + servicesChain}},
	{"nat-postrouting", knftables.NATType, knftables.PostroutingHook, knftables.SNATPriority,
		[]string{"jump " + masqueradingChain}},
}

// fixedChains are the rules that no Service changes (the second half of setupNFTables
// upstream). They look things up in maps, and the Services are what is in the maps. So a
// packet passes as many rules with ten thousand Services as with ten.
func fixedChains(podRange string, nodePortRanges []string) map[string][]rule {
	// Not on loopback: the kernel would not route an answer from a pod to 127.0.0.1.
	toNodePort := "ip daddr != 127.0.0.0/8 fib daddr type local"
	if len(nodePortRanges) > 0 {
		toNodePort = "ip daddr { " + strings.Join(nodePortRanges, ", ") + " } fib daddr type local"
	}
	services := []rule{}
	if podRange != "" {
		services = append(services, rule{
			"ip daddr @" + clusterIPsSet + " ip saddr != " + podRange + " " + setMasqueradeMark,
			"ClusterIP traffic from outside the pods' range",
		})
	}
	services = append(services,
		rule{"ip daddr . meta l4proto . th dport vmap @" + serviceIPsMap, ""},
		rule{toNodePort + " meta l4proto . th dport vmap @" + serviceNodePortsMap, ""},
	)
	return map[string][]rule{
		servicesChain: services,
		masqueradingChain: {
			{"mark and " + masqueradeBit + " != 0 mark set mark xor " + masqueradeBit + " masquerade fully-random", ""},
			{"ct status dnat ip saddr . ip daddr . meta l4proto . th dport @" + hairpinConnectionsSet + " masquerade fully-random", "a pod reaching itself"},
		},
		rejectChain:                 {{"meta l4proto tcp reject with tcp reset", ""}, {"reject", ""}},
		serviceEndpointsCheckChain:  {{"ip daddr . meta l4proto . th dport vmap @" + noEndpointServicesMap, ""}},
		nodePortEndpointsCheckChain: {{toNodePort + " meta l4proto . th dport vmap @" + noEndpointNodePortsMap, ""}},
		clusterIPsCheckChain:        {{"ip daddr @" + clusterIPsSet + " goto " + rejectChain, "no such port on this ClusterIP"}},
		firewallCheckChain:          {{"ip daddr . meta l4proto . th dport vmap @" + firewallIPsMap, ""}},
	}
}

// setupNFTables writes the table and its fixed parts (setupNFTables in
// pkg/proxy/nftables/proxier.go). Everything fixed is emptied and filled again within one
// transaction, so packets see either the old or the new.
func (w *writer) setupNFTables(tx *knftables.Transaction) {
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("Services of the cluster; written by the proxy, change nothing here")})
	for _, c := range nftContainers {
		if c.isMap {
			tx.Add(&knftables.Map{Name: c.name, Type: c.kind, Comment: knftables.PtrTo(c.about)})
		} else {
			tx.Add(&knftables.Set{Name: c.name, Type: c.kind, Comment: knftables.PtrTo(c.about)})
		}
	}
	fixed := fixedChains(w.podRange, w.nodePortRanges)
	for _, name := range sortedKeys(fixed) {
		tx.Add(&knftables.Chain{Name: name})
		tx.Flush(&knftables.Chain{Name: name})
	}
	// Rules only after all chains are there: they jump to each other.
	for _, name := range sortedKeys(fixed) {
		addRules(tx, name, fixed[name])
	}
	for _, b := range baseChains {
		chain := &knftables.Chain{Name: b.name, Type: &b.kind, Hook: &b.hook, Priority: &b.priority}
		tx.Add(chain)
		tx.Flush(chain)
		for _, r := range b.rules {
			tx.Add(&knftables.Rule{Chain: b.name, Rule: r})
		}
	}
}

// addRules appends rules to a chain, in their order.
func addRules(tx *knftables.Transaction, chain string, rules []rule) {
	for _, r := range rules {
		added := &knftables.Rule{Chain: chain, Rule: r.text}
		if r.comment != "" {
			added.Comment = &r.comment
		}
		tx.Add(added)
	}
}
