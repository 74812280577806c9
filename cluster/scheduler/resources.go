package scheduler

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
)

// resources are amounts of what a node has or a pod requests: upstream's Resource
// (pkg/scheduler/framework/types.go). They are plain numbers, and not the API's
// resource.Quantity, because they are compared for every node.
type resources struct {
	milliCPU         int64                     // thousandths of a core
	memory           int64                     // bytes
	ephemeralStorage int64                     // bytes
	scalar           map[v1.ResourceName]int64 // huge pages in bytes, extended resources in pieces
}

// A container that requests nothing still uses something. For scores, and only for
// them, it counts as 0.1 core and 200 MiB; otherwise a node full of such pods looks
// empty and gets all the others too. (DefaultMilliCPURequest and DefaultMemoryRequest
// in upstream's pkg/scheduler/util/pod_resources.go.)
var defaultRequests = v1.ResourceList{
	v1.ResourceCPU:    *resource.NewMilliQuantity(100, resource.DecimalSI),
	v1.ResourceMemory: *resource.NewQuantity(200<<20, resource.BinarySI),
}

func newResources(list v1.ResourceList) resources {
	var r resources
	for name, quantity := range list {
		switch name {
		case v1.ResourceCPU:
			r.milliCPU = quantity.MilliValue()
		case v1.ResourceMemory:
			r.memory = quantity.Value()
		case v1.ResourceEphemeralStorage:
			r.ephemeralStorage = quantity.Value()
		case v1.ResourcePods: // nodeInfo.allowedPodNumber
		default:
			if r.scalar == nil {
				r.scalar = map[v1.ResourceName]int64{}
			}
			r.scalar[name] = quantity.Value()
		}
	}
	return r
}

// requestsOf is what a pod needs on its node: the sum over its containers and
// sidecars, or the largest init container if that is more (init containers run one
// after the other, before the rest), and the overhead of its runtime class.
func requestsOf(pod *v1.Pod) resources {
	return newResources(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}))
}

// nonZeroRequestsOf is the same with defaultRequests for containers that request
// nothing.
func nonZeroRequestsOf(pod *v1.Pod) resources {
	return newResources(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{NonMissingContainerRequests: defaultRequests}))
}

// add adds sign times other: 1 when a pod comes to a node, -1 when it leaves.
func (r *resources) add(other resources, sign int64) {
	r.milliCPU += sign * other.milliCPU
	r.memory += sign * other.memory
	r.ephemeralStorage += sign * other.ephemeralStorage
	for name, value := range other.scalar {
		if r.scalar == nil {
			r.scalar = map[v1.ResourceName]int64{}
		}
		r.scalar[name] += sign * value
	}
}
