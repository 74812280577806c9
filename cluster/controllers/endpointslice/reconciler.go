package endpointslice

import (
	"cmp"
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/cluster/controllers/podset"
)

// maxEndpointsPerSlice is kube-controller-manager's default for --max-endpoints-per-slice.
// With one long list for a Service, as Endpoints had it, each pod that becomes ready would
// send the addresses of thousands of others to every node.
const maxEndpointsPerSlice = 100

// plan is what has to be written.
type plan struct {
	create, update, remove []*discoveryv1.EndpointSlice
}

// draft is an existing slice as it will be.
type draft struct {
	slice   *discoveryv1.EndpointSlice
	changed bool
}

// makePlan compares what there should be with the slices there are (upstream's
// Reconcile).
//
// In each group, endpoints stay where they are. Those that are gone leave a gap, and
// new ones go, first, where something changes anyway, then where there is room, and
// only then into new slices.
func makePlan(service *v1.Service, groups []*group, existing []*discoveryv1.EndpointSlice) plan {
	var p plan
	used := map[*discoveryv1.EndpointSlice]bool{}
	for _, g := range groups {
		var drafts []*draft
		for _, slice := range existing {
			if slice.AddressType == g.family && samePorts(slice.Ports, g.ports) {
				used[slice] = true
				drafts = append(drafts, newDraft(service, g, slice))
			}
		}
		p.reconcileByPortMapping(service, g, drafts)
	}
	// Of a group that no pod is in any more, nothing stays.
	for _, slice := range existing {
		if !used[slice] {
			p.remove = append(p.remove, slice)
		}
	}
	return p
}

// newDraft brings a slice up to date: endpoints that it has are taken out of the
// group, those that are gone are dropped.
func newDraft(service *v1.Service, g *group, slice *discoveryv1.EndpointSlice) *draft {
	d := &draft{slice: slice.DeepCopy()}
	d.slice.Endpoints = []discoveryv1.Endpoint{}
	for _, old := range slice.Endpoints {
		key := ""
		if old.TargetRef != nil {
			key = string(old.TargetRef.UID)
		}
		e, ok := g.endpoints[key]
		if !ok {
			d.changed = true
			continue
		}
		delete(g.endpoints, key)
		d.slice.Endpoints = append(d.slice.Endpoints, e)
		d.changed = d.changed || !equality.Semantic.DeepEqual(old, e)
	}
	if set := sliceLabels(service); !maps.Equal(set, d.slice.Labels) {
		d.slice.Labels, d.changed = set, true
	}
	return d
}

// reconcileByPortMapping finds room for the endpoints of the group that are in no slice
// yet, and decides what becomes of its slices. It follows upstream's function of the same
// name.
func (p *plan) reconcileByPortMapping(service *v1.Service, g *group, drafts []*draft) {
	// By name, so that the same pods make the same slices.
	missing := slices.SortedFunc(maps.Values(g.endpoints), func(a, b discoveryv1.Endpoint) int {
		return cmp.Compare(a.TargetRef.Name, b.TargetRef.Name)
	})
	slices.SortStableFunc(drafts, changedThenFullest)
	for _, d := range drafts {
		room := max(0, min(maxEndpointsPerSlice-len(d.slice.Endpoints), len(missing)))
		d.slice.Endpoints = append(d.slice.Endpoints, missing[:room]...)
		d.changed = d.changed || room > 0
		missing = missing[room:]
	}
	kept := 0
	for _, d := range drafts {
		// An empty slice says "nobody": the last one stays for that, the others go.
		switch {
		case len(d.slice.Endpoints) == 0 && (kept > 0 || len(missing) > 0 || d != drafts[len(drafts)-1]):
			p.remove = append(p.remove, d.slice)
			continue
		case d.changed:
			p.update = append(p.update, d.slice)
		}
		kept++
	}
	for len(missing) > 0 || kept == 0 {
		count := min(maxEndpointsPerSlice, len(missing))
		p.create = append(p.create, newEndpointSlice(service, g, missing[:count]))
		missing = missing[count:]
		kept++
	}
}

// changedThenFullest is the order in which slices are filled. One that changes anyway is
// sent to all nodes whether it gets one endpoint more or not, and filling the fullest
// first keeps the slices few.
func changedThenFullest(a, b *draft) int {
	switch {
	case a.changed == b.changed:
		return cmp.Compare(len(b.slice.Endpoints), len(a.slice.Endpoints))
	case a.changed:
		return -1
	}
	return 1
}

func newEndpointSlice(service *v1.Service, g *group, endpoints []discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: service.Namespace, GenerateName: podset.GenerateName(service), Labels: sliceLabels(service),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(service, v1.SchemeGroupVersion.WithKind("Service"))},
		},
		AddressType: g.family, Ports: g.ports, Endpoints: append([]discoveryv1.Endpoint{}, endpoints...),
	}
}

// sliceLabels are the Service's own labels, and those by which its slices are found
// (upstream's setEndpointSliceLabels). With service.kubernetes.io/headless, a proxy can
// leave out the slices of Services that have no address to balance.
func sliceLabels(service *v1.Service) map[string]string {
	set := maps.Clone(service.Labels)
	if set == nil {
		set = map[string]string{}
	}
	delete(set, v1.IsHeadlessService)
	if service.Spec.ClusterIP == "" || service.Spec.ClusterIP == v1.ClusterIPNone {
		set[v1.IsHeadlessService] = ""
	}
	set[discoveryv1.LabelServiceName], set[discoveryv1.LabelManagedBy] = service.Name, managedBy
	return set
}
