package podspec

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// GetPodQOS is the pod's quality-of-service class (GetPodQOS in
// pkg/apis/core/v1/helper/qos). The API server writes it into the status of every new pod;
// it is worked out again here for objects that lack it.
//
// Who promised how much it needs is disturbed last: Guaranteed if every container has
// limits for CPU and memory that equal its requests, BestEffort if none has anything,
// Burstable in between.
func GetPodQOS(pod *v1.Pod) v1.PodQOSClass {
	if pod.Status.QOSClass != "" {
		return pod.Status.QOSClass
	}
	all := append(append([]v1.Container(nil), pod.Spec.InitContainers...), pod.Spec.Containers...)
	anySet, guaranteed := false, len(all) > 0
	for i := range all {
		r := all[i].Resources
		for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
			request, limit := r.Requests[name], r.Limits[name]
			if !request.IsZero() || !limit.IsZero() {
				anySet = true
			}
			if limit.IsZero() || (!request.IsZero() && request.Cmp(limit) != 0) {
				guaranteed = false
			}
		}
	}
	switch {
	case !anySet:
		return v1.PodQOSBestEffort
	case guaranteed:
		return v1.PodQOSGuaranteed
	}
	return v1.PodQOSBurstable
}

// The kernel kills processes of high oom_score_adj first; the scale ends at 1000. A
// container that uses no more than it requested should outlive one that promised nothing.
// Source: pkg/kubelet/qos/policy.go. (At -1000 the kernel
// would never kill it.)
const (
	oomGuaranteed = -997
	oomBestEffort = 1000
)

// getContainerOOMScoreAdjust is the container's oom_score_adj on a node with that much
// memory in bytes (GetContainerOOMScoreAdjust in pkg/kubelet/qos/policy.go): a Burstable
// container's is lower the more of the node it requested.
func getContainerOOMScoreAdjust(pod *v1.Pod, container *v1.Container, nodeMemory int64) int64 {
	const nodeCritical = 2000001000 // the priority of system-node-critical
	if pod.Spec.Priority != nil && *pod.Spec.Priority >= nodeCritical {
		return oomGuaranteed
	}
	switch GetPodQOS(pod) {
	case v1.PodQOSGuaranteed:
		return oomGuaranteed
	case v1.PodQOSBestEffort:
		return oomBestEffort
	}
	if nodeMemory <= 0 {
		return oomBestEffort - 1
	}
	adjust := 1000 - 1000*container.Resources.Requests.Memory().Value()/nodeMemory
	if IsSidecar(container) {
		// A sidecar must not be killed before the container it serves.
		adjust = min(adjust, 1000-1000*leastMemory(pod)/nodeMemory)
	}
	return max(1000+oomGuaranteed, min(adjust, oomBestEffort-1))
}

// leastMemory is the smallest memory request of a main container, in bytes.
func leastMemory(pod *v1.Pod) int64 {
	var least *resource.Quantity
	for i := range pod.Spec.Containers {
		m := pod.Spec.Containers[i].Resources.Requests.Memory()
		if least == nil || m.Cmp(*least) < 0 {
			least = m
		}
	}
	if least == nil {
		return 0
	}
	return least.Value()
}

// IsSidecar tells whether an init container keeps running beside the main ones
// (KEP-753): its own restartPolicy is Always.
func IsSidecar(c *v1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways
}
