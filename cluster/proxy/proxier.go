package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"noriter.dev/noriter/cluster/trace"
)

// source is where Services and their slices are read from: informers' caches.
type source interface {
	service(name types.NamespacedName) *corev1.Service
	slices(name types.NamespacedName) []*discoveryv1.EndpointSlice
}

// proxier turns what changed in the API into rules.
//
//	informers → changed() → dirty names → sync: portsOf → rulesFor → one state → writer → kernel
type proxier struct {
	node    string
	source  source
	writer  *writer
	cleanup func([]servicePort) (uint, error) // dropStaleFlows, but in tests

	mu    sync.Mutex
	dirty map[types.NamespacedName]time.Time // since when
	wake  chan struct{}

	parts map[types.NamespacedName]*part
	// told are the changes that the kernel doesn't have yet, for the trace.
	told map[types.NamespacedName]change
	// flows says that UDP services changed since the kernel's flows were cleaned.
	flows bool
}

// part is one Service's share of the state.
type part struct {
	ports []servicePort
	state *state
}

// change is what a Service's record in the trace is made of.
type change struct {
	since         time.Time
	before, after []servicePort
}

func newProxier(node string, src source, w *writer) *proxier {
	return &proxier{
		node: node, source: src, writer: w, cleanup: dropStaleFlows,
		dirty: map[types.NamespacedName]time.Time{}, wake: make(chan struct{}, 1),
		parts: map[types.NamespacedName]*part{}, told: map[types.NamespacedName]change{},
	}
}

// changed notes that a Service, or one of its slices, is not as it was. It
// never blocks, whatever the kernel is doing.
func (p *proxier) changed(name types.NamespacedName) {
	p.mu.Lock()
	if _, noted := p.dirty[name]; !noted {
		p.dirty[name] = time.Now()
	}
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default: // a wake-up is waiting already; it covers this change
	}
}

// sync brings the kernel up to date with everything that changed so far. After
// an error the same call made again does what is left.
func (p *proxier) sync(ctx context.Context) error {
	p.recompute()
	want := newState()
	for _, name := range p.names() {
		want.merge(p.parts[name].state)
	}
	began := time.Now()
	operations, err := p.writer.apply(ctx, want)
	if err != nil {
		return err
	}
	if operations > 0 {
		slog.Debug("nftables changed", "operations", operations, "took", time.Since(began).String())
	}
	p.record(ctx, began)
	return p.forgetFlows()
}

// recompute takes the dirty Services and works out their rules.
func (p *proxier) recompute() {
	p.mu.Lock()
	dirty := p.dirty
	p.dirty = map[types.NamespacedName]time.Time{}
	p.mu.Unlock()

	for name, since := range dirty {
		ports := portsOf(p.source.service(name), p.source.slices(name), p.node)
		var before []servicePort
		if old := p.parts[name]; old != nil {
			before = old.ports
		}
		if reflect.DeepEqual(before, ports) {
			continue // a change of something that no rule depends on
		}
		if earlier, untold := p.told[name]; untold {
			before, since = earlier.before, earlier.since
		}
		p.told[name] = change{since: since, before: before, after: ports}
		if len(ports) == 0 {
			delete(p.parts, name)
			continue
		}
		s := newState()
		for i := range ports {
			s.merge(rulesFor(&ports[i], p.writer.podRange))
		}
		p.parts[name] = &part{ports: ports, state: s}
	}
}

// names lists the Services in a fixed order, which decides who keeps an
// address that two claim.
func (p *proxier) names() []types.NamespacedName {
	names := make([]types.NamespacedName, 0, len(p.parts))
	for name := range p.parts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })
	return names
}

// record tells the trace what the kernel has now, and why, and notes whether
// UDP services are among it.
func (p *proxier) record(ctx context.Context, began time.Time) {
	for name, c := range p.told {
		object := trace.Object{Kind: "Service", Namespace: name.Namespace, Name: name.Name}
		what := "wrote the rules"
		if len(c.after) == 0 {
			what = "removed the rules"
		}
		trace.Decide(ctx, object, what, why(c), "ports", describe(c.after),
			"sinceChange", time.Since(c.since).Round(time.Microsecond).String(), "kernel", time.Since(began).Round(time.Microsecond).String())
		for _, port := range append(slices.Clone(c.before), c.after...) {
			p.flows = p.flows || port.protocol == "udp"
		}
	}
	clear(p.told)
}

// forgetFlows removes what the kernel tracks of UDP flows that changes of UDP
// services left behind.
func (p *proxier) forgetFlows() error {
	if !p.flows {
		return nil
	}
	var all []servicePort
	for _, name := range p.names() {
		all = append(all, p.parts[name].ports...)
	}
	n, err := p.cleanup(all)
	if err != nil {
		return err
	}
	p.flows = false
	if n > 0 {
		slog.Info("removed tracked UDP flows to endpoints that are gone", "flows", n)
	}
	return nil
}

// why says in words how a Service changed.
func why(c change) string {
	switch {
	case len(c.before) == 0 && len(c.after) > 0:
		return "a Service with an address appeared"
	case len(c.after) == 0:
		return "the Service is gone, or has no address any more"
	}
	var added, removed []string
	before, after := usable(c.before), usable(c.after)
	for key := range after {
		if !before[key] {
			added = append(added, key)
		}
	}
	for key := range before {
		if !after[key] {
			removed = append(removed, key)
		}
	}
	slices.Sort(added)
	slices.Sort(removed)
	var parts []string
	if len(added) > 0 {
		parts = append(parts, "endpoints now used: "+strings.Join(added, ", "))
	}
	if len(removed) > 0 {
		parts = append(parts, "endpoints no longer used: "+strings.Join(removed, ", "))
	}
	if len(parts) == 0 {
		return "the Service's own fields changed"
	}
	return strings.Join(parts, "; ")
}

// usable are the addresses that connections may go to.
func usable(ports []servicePort) map[string]bool {
	all := map[string]bool{}
	for i := range ports {
		for _, e := range ports[i].choose().cluster {
			all[e.addr.String()] = true
		}
	}
	return all
}

// describe lists ports as "tcp 10.96.0.10:53 → 2 endpoints".
func describe(ports []servicePort) []string {
	var lines []string
	for i := range ports {
		p := &ports[i]
		line := fmt.Sprintf("%s %s:%d → %d endpoints", p.protocol, p.clusterIP, p.number, len(p.choose().cluster))
		if p.nodePort != 0 {
			line += fmt.Sprintf(", node port %d", p.nodePort)
		}
		lines = append(lines, line)
	}
	return lines
}
