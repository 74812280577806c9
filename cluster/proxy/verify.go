package proxy

import (
	"context"
	"fmt"
	"maps"

	"sigs.k8s.io/knftables"
)

// verify compares the kernel's table with what was applied and says what is
// different, in words; nothing is, when that is empty. Only the number of rules
// in a chain is looked at: their text does not come back as it was written. Upstream
// does not look: it writes everything anew every hour (FullSyncPeriod in pkg/proxy/util).
func (w *writer) verify(ctx context.Context) (different string, err error) {
	if w.applied == nil {
		return "", nil // the next apply looks anyway
	}
	have, err := w.observe(ctx)
	if err != nil {
		return "", err
	}
	rules, err := w.nft.ListRules(ctx, "")
	if err != nil && !knftables.IsNotFound(err) {
		return "", fmt.Errorf("reading the rules of the nftables table %s: %w", kubeProxyTable, err)
	}
	count := map[string]int{}
	for _, r := range rules {
		count[r.Chain]++
	}
	expected := fixedChains(w.podRange, w.nodePortRanges)
	for _, b := range baseChains {
		expected[b.name] = make([]rule, len(b.rules))
	}
	maps.Copy(expected, w.applied.chains)
	for _, chain := range sortedKeys(expected) {
		if count[chain] != len(expected[chain]) {
			return fmt.Sprintf("chain %s has %d rules instead of %d", chain, count[chain], len(expected[chain])), nil
		}
	}
	for set := range w.applied.affinity {
		if _, there := have.affinity[set]; !there {
			return fmt.Sprintf("set %s is missing", set), nil
		}
	}
	for _, c := range nftContainers {
		if !maps.EqualFunc(have.elements[c.name], w.applied.elements[c.name], same) {
			return fmt.Sprintf("%s has other elements", c.name), nil
		}
	}
	return "", nil
}
