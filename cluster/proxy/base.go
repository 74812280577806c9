package proxy

import (
	"strings"

	"sigs.k8s.io/knftables"
)

// baseChain hangs in one of the kernel's netfilter hooks.
type baseChain struct {
	name     string
	kind     knftables.BaseChainType
	hook     knftables.BaseChainHook
	priority knftables.BaseChainPriority
	rules    []string
}

// baseChains are where packets enter our rules. Destinations are rewritten
// before routing: in prerouting for what arrives (from pods, too), in output for what the
// node itself sends. Refusing is done where routing has been; source ranges are checked before the
// destination is rewritten, masquerading is done last.
var baseChains = []baseChain{
	{"filter-prerouting-pre-dnat", knftables.FilterType, knftables.PreroutingHook, knftables.DNATPriority + "-10",
		[]string{"ct state new jump " + firewallChain}},
	{"filter-output-pre-dnat", knftables.FilterType, knftables.OutputHook, knftables.DNATPriority + "-10",
		[]string{"ct state new jump " + firewallChain}},
	{"filter-input", knftables.FilterType, knftables.InputHook, knftables.FilterPriority,
		[]string{"ct state new jump " + noNodePortsChain, "ct state new jump " + noEndpointsChain}},
	{"filter-forward", knftables.FilterType, knftables.ForwardHook, knftables.FilterPriority,
		[]string{"ct state new jump " + noEndpointsChain, "ct state new jump " + clusterIPsChain}},
	{"filter-output", knftables.FilterType, knftables.OutputHook, knftables.FilterPriority,
		[]string{"ct state new jump " + noEndpointsChain, "ct state new jump " + clusterIPsChain}},
	{"nat-prerouting", knftables.NATType, knftables.PreroutingHook, knftables.DNATPriority,
		[]string{"jump " + servicesChain}},
	{"nat-output", knftables.NATType, knftables.OutputHook, knftables.DNATPriority,
		[]string{"jump " + servicesChain}},
	{"nat-postrouting", knftables.NATType, knftables.PostroutingHook, knftables.SNATPriority,
		[]string{"jump " + masqueradeChain}},
}

// fixedChains are the rules that no Service changes.
func fixedChains(podRange string, nodePortRanges []string) map[string][]rule {
	toNodePort := "ip daddr != 127.0.0.0/8 fib daddr type local"
	if len(nodePortRanges) > 0 {
		toNodePort = "ip daddr { " + strings.Join(nodePortRanges, ", ") + " } fib daddr type local"
	}
	services := []rule{}
	if podRange != "" {
		services = append(services, rule{
			"ip daddr @" + clusterIPs + " ip saddr != " + podRange + " " + setMasqueradeMark,
			"ClusterIP traffic from outside the pods' range",
		})
	}
	services = append(services,
		rule{"ip daddr . meta l4proto . th dport vmap @" + serviceIPs, ""},
		rule{toNodePort + " meta l4proto . th dport vmap @" + serviceNodePorts, ""},
	)
	return map[string][]rule{
		servicesChain: services,
		masqueradeChain: {
			{"mark and " + masqueradeBit + " != 0 mark set mark xor " + masqueradeBit + " masquerade fully-random", ""},
			{"ct status dnat ip saddr . ip daddr . meta l4proto . th dport @" + hairpinConnections + " masquerade fully-random", "a pod reaching itself"},
		},
		rejectChain:      {{"meta l4proto tcp reject with tcp reset", ""}, {"reject", ""}},
		noEndpointsChain: {{"ip daddr . meta l4proto . th dport vmap @" + noEndpointServices, ""}},
		noNodePortsChain: {{toNodePort + " meta l4proto . th dport vmap @" + noEndpointNodePorts, ""}},
		clusterIPsChain:  {{"ip daddr @" + clusterIPs + " goto " + rejectChain, "no such port on this ClusterIP"}},
		firewallChain:    {{"ip daddr . meta l4proto . th dport vmap @" + firewallIPs, ""}},
	}
}

// addBase writes the table and its fixed parts. Everything fixed is emptied
// and filled again within one transaction, so packets see either the old or the new.
func (w *writer) addBase(tx *knftables.Transaction) {
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("Services of the cluster; written by the proxy, change nothing here")})
	for _, c := range containers {
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

func addRules(tx *knftables.Transaction, chain string, rules []rule) {
	for _, r := range rules {
		added := &knftables.Rule{Chain: chain, Rule: r.text}
		if r.comment != "" {
			added.Comment = &r.comment
		}
		tx.Add(added)
	}
}
