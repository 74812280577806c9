package scheduler

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
)

// amounts are quantities of what a node has and a pod asks for. CPU is in
// thousandths of a core, memory and storage in bytes.
type amounts struct {
	cpu, memory, storage int64
	others               map[v1.ResourceName]int64 // huge pages and extended resources
}

// A container that asks for nothing still takes something. For scoring, and only
// there, it counts as much as this, else a node full of such pods looked empty.
var assumedRequests = v1.ResourceList{
	v1.ResourceCPU:    *resource.NewMilliQuantity(100, resource.DecimalSI),
	v1.ResourceMemory: *resource.NewQuantity(200<<20, resource.BinarySI),
}

func amountsOf(list v1.ResourceList) amounts {
	var a amounts
	for name, quantity := range list {
		switch name {
		case v1.ResourceCPU:
			a.cpu = quantity.MilliValue()
		case v1.ResourceMemory:
			a.memory = quantity.Value()
		case v1.ResourceEphemeralStorage:
			a.storage = quantity.Value()
		case v1.ResourcePods: // counted apart
		default:
			if a.others == nil {
				a.others = map[v1.ResourceName]int64{}
			}
			a.others[name] = quantity.Value()
		}
	}
	return a
}

// requestsOf is what a pod needs on its node: the sum over its containers and
// sidecars, or the largest init container if that is more, and the overhead of its
// runtime class.
func requestsOf(pod *v1.Pod) amounts {
	return amountsOf(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}))
}

// likelyUseOf is requestsOf with assumedRequests for containers that ask for nothing.
func likelyUseOf(pod *v1.Pod) amounts {
	return amountsOf(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{NonMissingContainerRequests: assumedRequests}))
}

// plus adds sign times b.
func (a *amounts) plus(b amounts, sign int64) {
	a.cpu += sign * b.cpu
	a.memory += sign * b.memory
	a.storage += sign * b.storage
	for name, value := range b.others {
		if a.others == nil {
			a.others = map[v1.ResourceName]int64{}
		}
		a.others[name] += sign * value
	}
}

// hostPort is a port of the node that a pod takes for itself.
type hostPort struct {
	ip       string // "0.0.0.0" for all addresses
	protocol v1.Protocol
	port     int32
}

func hostPortsOf(pod *v1.Pod) []hostPort {
	var ports []hostPort
	add := func(containers []v1.Container) {
		for _, container := range containers {
			for _, p := range container.Ports {
				if p.HostPort <= 0 {
					continue
				}
				port := hostPort{ip: p.HostIP, protocol: p.Protocol, port: p.HostPort}
				if port.ip == "" {
					port.ip = "0.0.0.0"
				}
				if port.protocol == "" {
					port.protocol = v1.ProtocolTCP
				}
				ports = append(ports, port)
			}
		}
	}
	add(pod.Spec.Containers)
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways {
			add([]v1.Container{c})
		}
	}
	return ports
}

// clashes is true if both can't be had on one node.
func (p hostPort) clashes(q hostPort) bool {
	return p.port == q.port && p.protocol == q.protocol &&
		(p.ip == q.ip || p.ip == "0.0.0.0" || q.ip == "0.0.0.0")
}
