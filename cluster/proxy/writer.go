package proxy

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"sigs.k8s.io/knftables"
)

// staleAge is how long an emptied chain stays before it is deleted. Kernels
// before 6.2 notice only some time later that no map leads to it any more, and refuse
// to delete it until then.
const staleAge = time.Second

// writer keeps the kernel's table as it should be. It is used by one goroutine.
type writer struct {
	nft            knftables.Interface
	podRange       string
	nodePortRanges []string

	applied  *state               // what the kernel has; nil when that is not known
	failures int                  // in a row
	stale    map[string]time.Time // emptied chains, since when
	now      func() time.Time
}

func newWriter(nft knftables.Interface, podRange string, nodePortRanges []string) *writer {
	return &writer{nft: nft, podRange: podRange, nodePortRanges: nodePortRanges, stale: map[string]time.Time{}, now: time.Now}
}

// apply makes the kernel's rules equal to want, in one transaction with the
// difference, and returns how many operations that took. Nothing is changed on
// an error; the next apply then looks at what the kernel really has, and from the
// second failure on starts with an empty table (still within one transaction).
func (w *writer) apply(ctx context.Context, want *state) (operations int, err error) {
	tx := w.nft.NewTransaction()
	have := w.applied
	if have == nil {
		if have, err = w.start(ctx, tx); err != nil {
			w.failures++
			return 0, err
		}
	}
	emptied := difference(tx, have, want)
	if tx.NumOperations() > 0 {
		if err := w.nft.Run(ctx, tx); err != nil {
			w.applied = nil
			w.failures++
			return 0, fmt.Errorf("changing the nftables table %s (attempt %d): %w", table, w.failures, err)
		}
	}
	for _, chain := range emptied {
		w.stale[chain] = w.now()
	}
	for chain := range want.chains {
		delete(w.stale, chain)
	}
	w.applied, w.failures = want, 0
	return tx.NumOperations(), nil
}

// start begins the first transaction after the proxy's start or after an error.
func (w *writer) start(ctx context.Context, tx *knftables.Transaction) (*state, error) {
	clear(w.stale) // those that are still there will be found again
	if w.failures > 1 {
		slog.Warn("writing the nftables table anew", "failures", w.failures)
		tx.Add(&knftables.Table{})
		tx.Delete(&knftables.Table{})
		w.addBase(tx)
		return newState(), nil
	}
	have, err := w.observe(ctx)
	if err != nil {
		return nil, err
	}
	w.addBase(tx)
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
		return nil, fmt.Errorf("reading the nftables table %s: %w", table, err)
	}
	for _, chain := range objects["chain"] {
		if isServiceChain(chain) {
			s.chains[chain] = nil
		}
	}
	for _, set := range objects["set"] {
		if isAffinitySet(set) {
			s.affinity[set] = 0 // not known, and not needed
		}
	}
	for _, c := range containers {
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
			read := element{key: e.Key, value: joinKey(e.Value)}
			if e.Comment != nil {
				read.comment = *e.Comment
			}
			s.elements[c.name][joinKey(e.Key)] = read
		}
	}
	return s, nil
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
	for _, c := range containers {
		differElements(tx, c, have.elements[c.name], want.elements[c.name])
	}
	return emptied
}

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

// differElements: a value can't be changed in place, so such an element is
// removed first; both happen at once for the packets.
func differElements(tx *knftables.Transaction, c container, have, want map[string]element) {
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

func (c container) element(e element) *knftables.Element {
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

// sweep deletes emptied chains that are old enough and reports whether some
// are left for later. It has a transaction of its own, so that a kernel that
// still holds on to a chain delays nothing else.
func (w *writer) sweep(ctx context.Context) (left bool) {
	tx := w.nft.NewTransaction()
	var going []string
	for _, chain := range sortedKeys(w.stale) {
		if w.now().Sub(w.stale[chain]) >= staleAge {
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
				w.stale[chain] = w.now()
			}
			return true
		}
	}
	for _, chain := range going {
		delete(w.stale, chain)
	}
	return len(w.stale) > 0
}

// verify compares the kernel's table with what was applied and says what is
// different, in words; nothing is, when that is empty. Only the number of rules
// in a chain is looked at: their text does not come back as it was written.
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
		return "", fmt.Errorf("reading the rules of the nftables table %s: %w", table, err)
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
	for _, c := range containers {
		if !maps.EqualFunc(have.elements[c.name], w.applied.elements[c.name], same) {
			return fmt.Sprintf("%s has other elements", c.name), nil
		}
	}
	return "", nil
}

// forget makes the next apply start from what the kernel really has.
func (w *writer) forget() { w.applied = nil }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
