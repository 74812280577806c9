package proxy

import (
	"context"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// source is where Services and their slices are read from: informers' caches.
type source interface {
	service(name types.NamespacedName) *v1.Service
	slices(name types.NamespacedName) []*discoveryv1.EndpointSlice
}

// proxier turns what changed in the API into rules (Proxier in
// pkg/proxy/nftables/proxier.go):
//
//	informers → serviceChanged → dirty names → syncProxyRules:
//	    makeServicePorts → rulesFor → one state → writer → kernel
//
// It notes only which Services changed, and not how. When it syncs it looks at each of
// them as it is by then, so a hundred changes of one Service cost as much as one.
type proxier struct {
	node              string
	own               []netip.Prefix // networks of which no external address is taken
	source            source
	writer            *writer
	cleanStaleEntries func([]servicePort) (uint, error) // the function of that name, but in tests

	mu    sync.Mutex
	dirty map[types.NamespacedName]time.Time // Services that changed: since when
	wake  chan struct{}                      // has room for one word: something is dirty

	// serviceMap is what every Service comes to. Upstream keeps its two halves apart, as
	// ServicePortMap and EndpointsMap.
	serviceMap map[types.NamespacedName]*serviceEntry
	// unwritten are the changes that the kernel doesn't have yet, for the trace.
	unwritten map[types.NamespacedName]change
	// udpChanged says that UDP services changed since conntrack was cleaned.
	udpChanged bool
}

// serviceEntry is one Service's share of the state.
type serviceEntry struct {
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
		node: node, source: src, writer: w, cleanStaleEntries: cleanStaleEntries,
		dirty: map[types.NamespacedName]time.Time{}, wake: make(chan struct{}, 1),
		serviceMap: map[types.NamespacedName]*serviceEntry{}, unwritten: map[types.NamespacedName]change{},
	}
}

// serviceChanged notes that a Service, or one of its slices, is not as it was
// (OnServiceUpdate and OnEndpointSliceUpdate of upstream). It never blocks, whatever the
// kernel is doing, because informers call it one after the other.
func (p *proxier) serviceChanged(name types.NamespacedName) {
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

// syncProxyRules brings the kernel up to date with everything that changed so far
// (syncProxyRules in pkg/proxy/nftables/proxier.go). After an error the same call made
// again does what is left.
func (p *proxier) syncProxyRules(ctx context.Context) error {
	p.updateServiceMap()
	want := newState()
	for _, name := range p.serviceNames() {
		want.merge(p.serviceMap[name].state)
	}
	began := time.Now()
	operations, err := p.writer.apply(ctx, want)
	if err != nil {
		return err
	}
	if operations > 0 {
		slog.Debug("nftables changed", "operations", operations, "took", time.Since(began).String())
	}
	p.written(ctx, began)
	// Only now: while the old rules are there, new packets make the old entries again.
	return p.cleanConntrack()
}

// updateServiceMap takes the dirty Services and works out their rules
// (ServicePortMap.Update and EndpointsMap.Update of upstream).
func (p *proxier) updateServiceMap() {
	p.mu.Lock()
	dirty := p.dirty
	p.dirty = map[types.NamespacedName]time.Time{}
	p.mu.Unlock()

	for name, since := range dirty {
		ports := makeServicePorts(p.source.service(name), p.source.slices(name), p.node, p.own)
		var before []servicePort
		if old := p.serviceMap[name]; old != nil {
			before = old.ports
		}
		if reflect.DeepEqual(before, ports) {
			continue // a change of something that no rule depends on
		}
		// If an earlier change has not reached the kernel, both become one.
		if earlier, missed := p.unwritten[name]; missed {
			before, since = earlier.before, earlier.since
		}
		p.unwritten[name] = change{since: since, before: before, after: ports}
		if len(ports) == 0 {
			delete(p.serviceMap, name)
			continue
		}
		s := newState()
		for i := range ports {
			s.merge(rulesFor(&ports[i], p.writer.podRange))
		}
		p.serviceMap[name] = &serviceEntry{ports: ports, state: s}
	}
}

// serviceNames lists the Services in a fixed order, which decides who keeps an
// address that two claim. Every node has to decide it in the same way.
func (p *proxier) serviceNames() []types.NamespacedName {
	names := make([]types.NamespacedName, 0, len(p.serviceMap))
	for name := range p.serviceMap {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })
	return names
}

// written notes that the kernel has all changes now.
func (p *proxier) written(ctx context.Context, began time.Time) {
	for name, c := range p.unwritten {
		traceChange(ctx, name, c, began)
		for _, port := range slices.Concat(c.before, c.after) {
			p.udpChanged = p.udpChanged || port.protocol == "udp"
		}
	}
	clear(p.unwritten)
}

// cleanConntrack removes what the kernel tracks of UDP flows that changes of UDP
// services left behind. If that fails, udpChanged stays and the next sync tries again.
func (p *proxier) cleanConntrack() error {
	if !p.udpChanged {
		return nil
	}
	var all []servicePort
	for _, name := range p.serviceNames() {
		all = append(all, p.serviceMap[name].ports...)
	}
	n, err := p.cleanStaleEntries(all)
	if err != nil {
		return err
	}
	p.udpChanged = false
	if n > 0 {
		slog.Info("removed tracked UDP flows to endpoints that are gone", "flows", n)
	}
	return nil
}
