package endpointslice

import (
	"maps"
	"net/netip"
	"slices"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/controllers/podset"
)

// group is what the endpoints of one slice have in common: the family of their
// addresses and their ports (upstream's endpointMeta). The targetPort of a Service may be a
// name, and pods of two versions may give different numbers to it: these are in different
// groups.
type group struct {
	family discoveryv1.AddressType
	ports  []discoveryv1.EndpointPort
	// endpoints by the UID of their pod.
	endpoints map[string]discoveryv1.Endpoint
}

// endpoints groups the pods of a Service that have an address and have not ended.
// Each family has at least one group: a Service without endpoints still has a slice,
// which says that there are none.
func (c *Controller) endpoints(service *v1.Service, pods []*v1.Pod) []*group {
	var groups []*group
	for _, family := range addressTypes(service) {
		found := false
		for _, pod := range pods {
			addresses := endpointAddresses(pod, family)
			if podset.IsTerminal(pod) || len(addresses) == 0 {
				continue
			}
			g := groupFor(&groups, family, endpointPorts(service, pod))
			g.endpoints[string(pod.UID)] = c.podToEndpoint(service, pod, addresses)
			found = true
		}
		if !found {
			groupFor(&groups, family, nil)
		}
	}
	return groups
}

// groupFor returns the group of a family and ports, and adds it if it is new.
func groupFor(groups *[]*group, family discoveryv1.AddressType, ports []discoveryv1.EndpointPort) *group {
	for _, g := range *groups {
		if g.family == family && samePorts(g.ports, ports) {
			return g
		}
	}
	g := &group{family: family, ports: ports, endpoints: map[string]discoveryv1.Endpoint{}}
	*groups = append(*groups, g)
	return g
}

// samePorts compares without regard to order, and takes none and empty as the same.
func samePorts(a, b []discoveryv1.EndpointPort) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !slices.ContainsFunc(b, func(p discoveryv1.EndpointPort) bool { return equality.Semantic.DeepEqual(a[i], p) }) {
			return false
		}
	}
	return true
}

// podToEndpoint describes a pod (upstream's function of the same name). A pod that ends is
// no longer ready, but may still be serving: it is of use if there is no other (KEP-1672).
func (c *Controller) podToEndpoint(service *v1.Service, pod *v1.Pod, addresses []string) discoveryv1.Endpoint {
	serving, terminating := podset.IsReady(pod), pod.DeletionTimestamp != nil
	ready := service.Spec.PublishNotReadyAddresses || serving && !terminating
	e := discoveryv1.Endpoint{
		Addresses:  addresses,
		Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
		TargetRef:  &v1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
	}
	if pod.Spec.Hostname != "" && pod.Spec.Subdomain == service.Name {
		e.Hostname = ptr.To(pod.Spec.Hostname) // gets a DNS name of its own
	}
	if pod.Spec.NodeName == "" {
		return e
	}
	e.NodeName = ptr.To(pod.Spec.NodeName)
	if node, err := c.nodes.Get(pod.Spec.NodeName); err == nil && zoneOf(node) != "" {
		e.Zone = ptr.To(zoneOf(node))
	}
	e.Hints = hints(service, &e)
	return e
}

// hints say who should use the endpoint, if the Service wants traffic to stay near
// (spec.trafficDistribution, KEP-4444 and KEP-3015). They are hints: a proxy that finds no
// endpoint for its own node or zone uses all.
func hints(service *v1.Service, e *discoveryv1.Endpoint) *discoveryv1.EndpointHints {
	if e.Zone == nil && e.NodeName == nil {
		return nil
	}
	switch ptr.Deref(service.Spec.TrafficDistribution, "") {
	case v1.ServiceTrafficDistributionPreferSameNode:
		h := &discoveryv1.EndpointHints{ForNodes: []discoveryv1.ForNode{{Name: *e.NodeName}}}
		if e.Zone != nil {
			h.ForZones = []discoveryv1.ForZone{{Name: *e.Zone}}
		}
		return h
	case v1.ServiceTrafficDistributionPreferClose, v1.ServiceTrafficDistributionPreferSameZone:
		if e.Zone != nil {
			return &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: *e.Zone}}}
		}
	}
	return nil
}

// zoneOf is the zone that a node says it is in, "" if it says none.
func zoneOf(node *v1.Node) string { return node.Labels[v1.LabelTopologyZone] }

// addressTypes are the address families of a Service (upstream's
// getAddressTypesForService). A slice holds addresses of one of them.
func addressTypes(service *v1.Service) []discoveryv1.AddressType {
	var types []discoveryv1.AddressType
	for _, family := range service.Spec.IPFamilies {
		switch family {
		case v1.IPv4Protocol:
			types = append(types, discoveryv1.AddressTypeIPv4)
		case v1.IPv6Protocol:
			types = append(types, discoveryv1.AddressTypeIPv6)
		}
	}
	if len(types) == 0 { // the API server fills them in; this is for objects from elsewhere
		types = []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4}
	}
	return types
}

// endpointAddresses are the pod's addresses of one family (upstream's
// getEndpointAddresses). They are parsed and written again, so that one address has one
// spelling.
func endpointAddresses(pod *v1.Pod, family discoveryv1.AddressType) []string {
	var addresses []string
	for _, ip := range pod.Status.PodIPs {
		address, err := netip.ParseAddr(ip.IP)
		if err == nil && address.Is4() == (family == discoveryv1.AddressTypeIPv4) {
			addresses = append(addresses, address.String())
		}
	}
	return addresses
}

// endpointPorts are the Service's ports as numbers on this pod (upstream's
// getEndpointPorts). A port that the pod does not name is left out for it.
func endpointPorts(service *v1.Service, pod *v1.Pod) []discoveryv1.EndpointPort {
	var ports []discoveryv1.EndpointPort
	for i := range service.Spec.Ports {
		port := &service.Spec.Ports[i]
		number, ok := targetPort(port, pod)
		if !ok {
			continue
		}
		ports = append(ports, discoveryv1.EndpointPort{
			Name: ptr.To(port.Name), Port: ptr.To(number), Protocol: ptr.To(port.Protocol), AppProtocol: port.AppProtocol})
	}
	return ports
}

// targetPort is the number behind a Service's targetPort on this pod (upstream's
// FindPort). A name is looked for among the ports of the containers, with the same
// protocol. Sidecars have ports too; other init containers have ended by then.
func targetPort(port *v1.ServicePort, pod *v1.Pod) (int32, bool) {
	if port.TargetPort.Type == intstr.Int {
		return port.TargetPort.IntVal, true
	}
	containers := slices.Clone(pod.Spec.Containers)
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways {
			containers = append(containers, c)
		}
	}
	for _, container := range containers {
		for _, p := range container.Ports {
			if p.Name == port.TargetPort.StrVal && p.Protocol == port.Protocol {
				return p.ContainerPort, true
			}
		}
	}
	return 0, false
}

// matters is true if a change of a pod may change a slice (upstream's
// podEndpointsChanged). Most changes, such as of container statuses, don't.
func matters(a, b *v1.Pod) bool {
	return !maps.Equal(a.Labels, b.Labels) ||
		!equality.Semantic.DeepEqual(a.Status.PodIPs, b.Status.PodIPs) ||
		podset.IsReady(a) != podset.IsReady(b) || podset.IsTerminal(a) != podset.IsTerminal(b) ||
		(a.DeletionTimestamp == nil) != (b.DeletionTimestamp == nil) ||
		a.Spec.NodeName != b.Spec.NodeName || a.Spec.Hostname != b.Spec.Hostname || a.Spec.Subdomain != b.Spec.Subdomain ||
		a.UID != b.UID
}
