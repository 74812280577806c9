package proxy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"noriter.dev/noriter/cluster/trace"
)

// traceChange tells the trace what the kernel has now of a Service, and why. began is when
// the transaction began that brought it there.
func traceChange(ctx context.Context, name types.NamespacedName, c change, began time.Time) {
	object := trace.Object{Kind: "Service", Namespace: name.Namespace, Name: name.Name}
	what := "wrote the rules"
	if len(c.after) == 0 {
		what = "removed the rules"
	}
	trace.Decide(ctx, object, what, why(c), "ports", describe(c.after),
		"sinceChange", time.Since(c.since).Round(time.Microsecond).String(), "kernel", time.Since(began).Round(time.Microsecond).String())
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
	before, after := usableEndpoints(c.before), usableEndpoints(c.after)
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

// usableEndpoints are the addresses that connections may go to.
func usableEndpoints(ports []servicePort) map[string]bool {
	all := map[string]bool{}
	for i := range ports {
		for _, e := range ports[i].categorizeEndpoints().cluster {
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
		line := fmt.Sprintf("%s %s:%d → %d endpoints", p.protocol, p.clusterIP, p.number, len(p.categorizeEndpoints().cluster))
		if p.nodePort != 0 {
			line += fmt.Sprintf(", node port %d", p.nodePort)
		}
		lines = append(lines, line)
	}
	return lines
}
