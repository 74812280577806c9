package endpointslice

import (
	"cmp"
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// sliceLimit is how many endpoints a slice holds at most.
const sliceLimit = 100

// plan is what has to be written.
type plan struct {
	create, update, remove []*discoveryv1.EndpointSlice
}

// draft is an existing slice as it will be.
type draft struct {
	slice   *discoveryv1.EndpointSlice
	changed bool
}

// makePlan compares what there should be with the slices there are.
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
				drafts = append(drafts, redraft(service, g, slice))
			}
		}
		p.place(service, g, drafts)
	}
	for _, slice := range existing {
		if !used[slice] {
			p.remove = append(p.remove, slice)
		}
	}
	return p
}

// redraft brings a slice up to date: endpoints that it has are taken out of the
// group, those that are gone are dropped.
func redraft(service *v1.Service, g *group, slice *discoveryv1.EndpointSlice) *draft {
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
	if set := labelsFor(service); !maps.Equal(set, d.slice.Labels) {
		d.slice.Labels, d.changed = set, true
	}
	return d
}

// place finds room for the endpoints of the group that are in no slice yet.
func (p *plan) place(service *v1.Service, g *group, drafts []*draft) {
	missing := slices.SortedFunc(maps.Values(g.endpoints), func(a, b discoveryv1.Endpoint) int {
		return cmp.Compare(a.TargetRef.Name, b.TargetRef.Name)
	})
	slices.SortStableFunc(drafts, func(a, b *draft) int { // those that change anyway first
		switch {
		case a.changed == b.changed:
			return cmp.Compare(len(b.slice.Endpoints), len(a.slice.Endpoints))
		case a.changed:
			return -1
		}
		return 1
	})
	for _, d := range drafts {
		room := max(0, min(sliceLimit-len(d.slice.Endpoints), len(missing)))
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
		count := min(sliceLimit, len(missing))
		p.create = append(p.create, newSlice(service, g, missing[:count]))
		missing = missing[count:]
		kept++
	}
}

func newSlice(service *v1.Service, g *group, endpoints []discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	prefix := service.Name + "-"
	if len(prefix) > validation.DNS1123SubdomainMaxLength {
		prefix = service.Name
	}
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: service.Namespace, GenerateName: prefix, Labels: labelsFor(service),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(service, v1.SchemeGroupVersion.WithKind("Service"))},
		},
		AddressType: g.family, Ports: g.ports, Endpoints: append([]discoveryv1.Endpoint{}, endpoints...),
	}
}

// labelsFor are the Service's own labels, and those by which its slices are found.
func labelsFor(service *v1.Service) map[string]string {
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
