package podspec

import (
	"path"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The scheduler of the kernel knows shares (a weight) and a quota (a ceiling) in
// each period. Source: pkg/kubelet/cm/helpers_linux.go.
const (
	quotaPeriod  = 100_000 // microseconds, the kernel's default
	minQuota     = 1_000   // microseconds, the least the kernel takes
	minShares    = 2       // the least the kernel takes
	maxShares    = 262_144 // the most
	sharesPerCPU = 1024    // the weight of one whole processor
)

// calculateLinuxResources turns requests and limits into cgroup settings
// (calculateLinuxResources in pkg/kubelet/kuberuntime/kuberuntime_container_linux.go): the
// CPU request becomes a weight, the CPU limit a quota, the memory limit a hard bound.
// Memory requests set nothing here; they only count when pods are scheduled and when the
// kernel has to choose whom to kill (getContainerOOMScoreAdjust).
func (n *Node) calculateLinuxResources(r v1.ResourceRequirements) *cri.LinuxContainerResources {
	request, has := r.Requests[v1.ResourceCPU]
	limit := r.Limits.Cpu()
	if !has {
		request = *limit
	}
	return &cri.LinuxContainerResources{
		CpuShares:          shares(&request),
		CpuPeriod:          quotaPeriod,
		CpuQuota:           n.bound(quota(limit)),
		MemoryLimitInBytes: r.Limits.Memory().Value(),
	}
}

// shares is a weight: it matters only while processors are short.
func shares(cpu *resource.Quantity) int64 {
	return max(minShares, min(maxShares, cpu.MilliValue()*sharesPerCPU/1000))
}

// quota is for how many microseconds of each period the container may run, on all
// processors together; 0, no quota, without a limit. Whoever has used it up stands still
// until the next period, even on an idle node.
func quota(cpu *resource.Quantity) int64 {
	if cpu.IsZero() {
		return 0
	}
	return max(minQuota, cpu.MilliValue()*quotaPeriod/1000)
}

// bound is the quota, or all that the node may use: version 1 of control groups refuses a
// quota above that of the group that it lies in, which the machine's own is.
func (n *Node) bound(quota int64) int64 {
	if n.CPUs == 0 {
		return quota
	}
	return min(quota, int64(n.CPUs)*quotaPeriod)
}

// podLimits sums the limits of a pod's main containers; a resource that one of them
// leaves unlimited is unlimited for the pod.
func podLimits(pod *v1.Pod) v1.ResourceRequirements {
	sum := v1.ResourceRequirements{Requests: v1.ResourceList{}, Limits: v1.ResourceList{}}
	unlimited := map[v1.ResourceName]bool{}
	for i := range pod.Spec.Containers {
		r := pod.Spec.Containers[i].Resources
		for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
			if q, ok := r.Requests[name]; ok {
				add(sum.Requests, name, q)
			}
			if q, ok := r.Limits[name]; ok && !unlimited[name] {
				add(sum.Limits, name, q)
				continue
			}
			unlimited[name] = true
			delete(sum.Limits, name)
		}
	}
	return sum
}

func add(list v1.ResourceList, name v1.ResourceName, q resource.Quantity) {
	total := list[name]
	total.Add(q)
	list[name] = total
}

// CgroupParent is the cgroup all containers of the pod live under:
// ROOT/kubepods/[burstable|besteffort/]podUID, or the same as systemd slices.
// Guaranteed pods stand directly under kubepods, beside the other two classes, so
// that classes compete first and pods within a class afterwards.
func (n *Node) CgroupParent(pod *v1.Pod) string {
	parts := []string{"kubepods"}
	switch GetPodQOS(pod) {
	case v1.PodQOSBurstable:
		parts = append(parts, "burstable")
	case v1.PodQOSBestEffort:
		parts = append(parts, "besteffort")
	}
	parts = append(parts, "pod"+string(pod.UID))
	if !n.SystemdCgroup {
		return path.Join(append([]string{"/", n.CgroupRoot}, parts...)...)
	}
	// A slice's name holds its whole path, with "-" between the levels.
	root := strings.Trim(strings.ReplaceAll(n.CgroupRoot, "/", "-"), "-")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], "-", "_")
	}
	if root != "" {
		parts = append([]string{root}, parts...)
	}
	return strings.Join(parts, "-") + ".slice"
}
