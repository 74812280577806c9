package proxy

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	"sigs.k8s.io/knftables"
)

// staleAge is how long an emptied chain stays before it is deleted, as upstream. Kernels
// before 6.2 notice only some time later that no map leads to it any more, and refuse
// to delete it until then.
const staleAge = time.Second

// writer keeps the kernel's table as it should be. It is used by one goroutine: nobody else
// writes to this table, and so it need not read it before each change.
type writer struct {
	nft            knftables.Interface
	podRange       string
	nodePortRanges []string

	applied     *state               // what the kernel has; nil when that is not known
	failures    int                  // in a row
	staleChains map[string]time.Time // emptied chains, since when
	now         func() time.Time
}

func newWriter(nft knftables.Interface, podRange string, nodePortRanges []string) *writer {
	return &writer{nft: nft, podRange: podRange, nodePortRanges: nodePortRanges, staleChains: map[string]time.Time{}, now: time.Now}
}

// apply makes the kernel's rules equal to want, in one transaction with the
// difference, and returns how many operations that took. Nothing is changed on
// an error; the next apply then looks at what the kernel really has, and from the
// second failure on starts with an empty table (still within one transaction).
func (w *writer) apply(ctx context.Context, want *state) (operations int, err error) {
	tx := w.nft.NewTransaction()
	have := w.applied
	if have == nil {
		if have, err = w.beginTransaction(ctx, tx); err != nil {
			w.failures++
			return 0, err
		}
	}
	emptied := difference(tx, have, want)
	if tx.NumOperations() > 0 {
		if err := w.nft.Run(ctx, tx); err != nil {
			w.applied = nil
			w.failures++
			return 0, fmt.Errorf("changing the nftables table %s (attempt %d): %w", kubeProxyTable, w.failures, err)
		}
	}
	for _, chain := range emptied {
		w.staleChains[chain] = w.now()
	}
	for chain := range want.chains {
		delete(w.staleChains, chain)
	}
	w.applied, w.failures = want, 0
	return tx.NumOperations(), nil
}

// beginTransaction begins the first transaction after the proxy's start or after an error.
func (w *writer) beginTransaction(ctx context.Context, tx *knftables.Transaction) (*state, error) {
	clear(w.staleChains) // those that are still there will be found again
	if w.failures > 1 {
		slog.Warn("writing the nftables table anew", "failures", w.failures)
		tx.Add(&knftables.Table{})
		tx.Delete(&knftables.Table{})
		w.setupNFTables(tx)
		return newState(), nil
	}
	have, err := w.observe(ctx)
	if err != nil {
		return nil, err
	}
	w.setupNFTables(tx)
	return have, nil
}

// observe reads what the kernel has of our table. Rules can't be read back in
// a form that compares, so chains come without: all that are wanted are written again.
// Clients' affinities and established connections outlive that.
func (w *writer) observe(ctx context.Context) (*state, error) {
	s := newState()
	objects, err := w.nft.ListAll(ctx)
	if knftables.IsNotFound(err) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the nftables table %s: %w", kubeProxyTable, err)
	}
	for _, chain := range objects["chain"] {
		if isServiceChainName(chain) {
			s.chains[chain] = nil
		}
	}
	for _, set := range objects["set"] {
		if isAffinitySetName(set) {
			s.affinity[set] = 0 // not known, and not needed
		}
	}
	for _, c := range nftContainers {
		kind := "set"
		if c.isMap {
			kind = "map"
		}
		if !slices.Contains(objects[kind], c.name) {
			continue
		}
		elements, err := w.nft.ListElements(ctx, kind, c.name)
		if err != nil {
			return nil, fmt.Errorf("reading the nftables %s %s: %w", kind, c.name, err)
		}
		for _, e := range elements {
			read := element{key: e.Key, value: joinNFTSlice(e.Value)}
			if e.Comment != nil {
				read.comment = *e.Comment
			}
			s.elements[c.name][joinNFTSlice(e.Key)] = read
		}
	}
	return s, nil
}

// free deletes every element that captures what is sent to an address.
func (w *writer) free(ctx context.Context, address netip.Addr) error {
	have, err := w.observe(ctx)
	if err != nil {
		return err
	}
	tx := w.nft.NewTransaction()
	for _, c := range nftContainers {
		if !c.captures {
			continue
		}
		for _, key := range sortedKeys(have.elements[c.name]) {
			if e := have.elements[c.name][key]; e.key[0] == address.String() {
				tx.Delete(c.element(e))
			}
		}
	}
	if tx.NumOperations() == 0 {
		return nil
	}
	if err := w.nft.Run(ctx, tx); err != nil {
		return fmt.Errorf("taking %s back from the Services: %w", address, err)
	}
	slog.Warn("a Service had captured the API server's address", "address", address.String())
	return nil
}

// difference adds what leads from have to want to the transaction, in an order in
// which nothing refers to what isn't there. It returns the chains that it emptied.
func difference(tx *knftables.Transaction, have, want *state) (emptied []string) {
	var changed []string
	for _, name := range sortedKeys(want.chains) {
		if old, there := have.chains[name]; !there || !slices.Equal(old, want.chains[name]) {
			changed = append(changed, name)
		}
	}
	for _, name := range sortedKeys(have.chains) {
		if _, wanted := want.chains[name]; !wanted {
			emptied = append(emptied, name)
		}
	}
	for _, name := range changed {
		tx.Add(&knftables.Chain{Name: name})
	}
	for _, name := range append(slices.Clone(changed), emptied...) {
		tx.Flush(&knftables.Chain{Name: name})
	}
	differAffinity(tx, have, want)
	for _, name := range changed {
		addRules(tx, name, want.chains[name])
	}
	for _, c := range nftContainers {
		differElements(tx, c, have.elements[c.name], want.elements[c.name])
	}
	return emptied
}

// differAffinity adds and deletes the sets that remember clients. A set that stays keeps
// its clients.
func differAffinity(tx *knftables.Transaction, have, want *state) {
	for _, name := range sortedKeys(have.affinity) {
		if _, wanted := want.affinity[name]; !wanted {
			tx.Delete(&knftables.Set{Name: name})
		}
	}
	for _, name := range sortedKeys(want.affinity) {
		keep := want.affinity[name]
		if _, there := have.affinity[name]; there {
			continue // its name says for how long it remembers
		}
		tx.Add(&knftables.Set{
			Name: name, Type: "ipv4_addr", Timeout: &keep,
			Flags: []knftables.SetFlag{knftables.DynamicFlag, knftables.TimeoutFlag},
		})
	}
}

// differElements adds and deletes elements of one map or set. A value can't be changed in
// place, so such an element is removed first; both happen at once for the packets.
func differElements(tx *knftables.Transaction, c nftContainer, have, want map[string]element) {
	for _, key := range sortedKeys(have) {
		if wanted, there := want[key]; !there || !same(have[key], wanted) {
			tx.Delete(c.element(have[key]))
		}
	}
	for _, key := range sortedKeys(want) {
		if old, there := have[key]; !there || !same(old, want[key]) {
			tx.Add(c.element(want[key]))
		}
	}
}

func same(a, b element) bool { return a.value == b.value && a.comment == b.comment }

// element is an element in knftables' terms.
func (c nftContainer) element(e element) *knftables.Element {
	n := &knftables.Element{Key: e.key}
	if c.isMap {
		n.Map, n.Value = c.name, []string{e.value}
	} else {
		n.Set = c.name
	}
	if e.comment != "" {
		n.Comment = &e.comment
	}
	return n
}

// deleteStaleChains deletes emptied chains that are old enough and reports whether some
// are left for later (staleChains in syncProxyRules of upstream). It has a transaction of
// its own, so that a kernel that still holds on to a chain delays nothing else.
func (w *writer) deleteStaleChains(ctx context.Context) (left bool) {
	tx := w.nft.NewTransaction()
	var going []string
	for _, chain := range sortedKeys(w.staleChains) {
		if w.now().Sub(w.staleChains[chain]) >= staleAge {
			going = append(going, chain)
			tx.Delete(&knftables.Chain{Name: chain})
		}
	}
	if len(going) > 0 {
		if err := w.nft.Run(ctx, tx); err != nil {
			slog.Warn("deleting emptied nftables chains; trying again", "chains", len(going), "error", err)
			if knftables.IsNotFound(err) { // somebody else was quicker: look what there is
				w.forget()
			}
			for _, chain := range going {
				w.staleChains[chain] = w.now()
			}
			return true
		}
	}
	for _, chain := range going {
		delete(w.staleChains, chain)
	}
	return len(w.staleChains) > 0
}

// forget makes the next apply start from what the kernel really has.
func (w *writer) forget() { w.applied = nil }

// sortedKeys makes what is written the same every time, so that it can be compared.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
