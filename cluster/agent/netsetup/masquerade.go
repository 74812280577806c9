package netsetup

import (
	"context"
	"fmt"

	"sigs.k8s.io/knftables"
)

// The nftables of this package: table "ip noriter-agent".
const (
	tableName = "noriter-agent"
	chainName = "postrouting"
	setPods   = "pods"
	setNodes  = "nodes"
)

// masquerade lets traffic of this node's pods that leaves the cluster take the
// node's address, since nobody outside knows the way back to a pod. Other pods and
// nodes see a pod's own address. It is one transaction that replaces everything, so
// that rules somebody flushed come back.
func (s *setup) masquerade(ctx context.Context, self peer, all []peer) error {
	tx := s.cfg.nft.NewTransaction()
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("pods that talk to the world outside")})
	tx.Add(&knftables.Chain{
		Name: chainName, Type: knftables.PtrTo(knftables.NATType), Hook: knftables.PtrTo(knftables.PostroutingHook),
		Priority: knftables.PtrTo(knftables.SNATPriority),
	})
	tx.Flush(&knftables.Chain{Name: chainName})
	tx.Add(&knftables.Set{Name: setPods, Type: "ipv4_addr", Flags: []knftables.SetFlag{knftables.IntervalFlag},
		Comment: knftables.PtrTo("pod networks of the cluster")})
	tx.Flush(&knftables.Set{Name: setPods})
	tx.Add(&knftables.Element{Set: setPods, Key: []string{s.cfg.ClusterCIDR}})
	tx.Add(&knftables.Set{Name: setNodes, Type: "ipv4_addr", Comment: knftables.PtrTo("addresses of the nodes")})
	tx.Flush(&knftables.Set{Name: setNodes})
	seen := map[string]bool{}
	for _, p := range all {
		if p.ip.IsValid() && !seen[p.ip.String()] {
			seen[p.ip.String()] = true
			tx.Add(&knftables.Element{Set: setNodes, Key: []string{p.ip.String()}})
		}
	}
	tx.Add(&knftables.Rule{Chain: chainName, Rule: knftables.Concat(
		"ip saddr", self.pods.String(),
		"ip daddr != @"+setPods, "ip daddr != @"+setNodes, "ip daddr != 224.0.0.0/4",
		"masquerade fully-random",
	)})
	if err := s.cfg.nft.Run(ctx, tx); err != nil {
		return fmt.Errorf("setting nftables table %q: %w", tableName, err)
	}
	return nil
}
