package replicaset

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/cluster/controllers/podset"
)

// rankedPod is a pod that may have to go, with what the rules need to know of it.
type rankedPod struct {
	pod  *v1.Pod
	rank int    // how many active related pods are on its node, itself included
	why  string // it goes and another one stays; set by podsToDelete
}

// rule says which of two pods should go first: negative for a, zero if it can't tell.
type rule struct {
	why     string
	compare func(a, b rankedPod, now time.Time) int
}

// rules decide which pods to delete first; of two pods, the first rule that can tell
// them apart decides. They are those of upstream's ActivePodsWithRanks
// (pkg/controller/controller_utils.go), in the same order. The idea is to lose the
// least: first what does not work yet, then what is doubled on one node, then what is
// youngest, since it has the least in its memory and the fewest connections.
var rules = []rule{
	{"it has no node yet", func(a, b rankedPod, _ time.Time) int {
		return falseFirst(a.pod.Spec.NodeName != "", b.pod.Spec.NodeName != "")
	}},
	{"it has not come as far", func(a, b rankedPod, _ time.Time) int {
		return cmp.Compare(phaseOrder[a.pod.Status.Phase], phaseOrder[b.pod.Status.Phase])
	}},
	{"it is not ready", func(a, b rankedPod, _ time.Time) int {
		return falseFirst(podset.IsReady(a.pod), podset.IsReady(b.pod))
	}},
	// Someone who knows the load of each pod can say which to spare (KEP-2255).
	{"its annotation " + v1.PodDeletionCost + " is lower", func(a, b rankedPod, _ time.Time) int {
		return cmp.Compare(deletionCost(a.pod), deletionCost(b.pod))
	}},
	// With two pods on one node and one on another, a failing node takes fewer of them
	// with it once one of the two is gone.
	{"its node has more of them", func(a, b rankedPod, _ time.Time) int {
		return cmp.Compare(b.rank, a.rank)
	}},
	{"it became ready more recently", func(a, b rankedPod, now time.Time) int {
		return newerFirst(a.pod, b.pod, podset.ReadySince(a.pod), podset.ReadySince(b.pod), now)
	}},
	{"its containers restarted more often", func(a, b rankedPod, _ time.Time) int {
		mainA, sidecarsA := restarts(a.pod)
		mainB, sidecarsB := restarts(b.pod)
		return cmp.Or(cmp.Compare(mainB, mainA), cmp.Compare(sidecarsB, sidecarsA))
	}},
	{"it was created more recently", func(a, b rankedPod, now time.Time) int {
		return newerFirst(a.pod, b.pod, a.pod.CreationTimestamp, b.pod.CreationTimestamp, now)
	}},
}

// phaseOrder puts the phases in the order of a pod's life (upstream's
// podPhaseToOrdinal). Pods that have ended are not active and never come here.
var phaseOrder = map[v1.PodPhase]int{v1.PodPending: 0, v1.PodUnknown: 1, v1.PodRunning: 2}

// podsToDelete returns the count pods that should go first, and why each of them
// rather than one that stays (upstream's getPodsToDelete and
// getPodsRankedByRelatedPodsOnSameNode). related are the pods that count for the rank.
func podsToDelete(pods, related []*v1.Pod, count int, now time.Time) []rankedPod {
	onNode := map[string]int{}
	for _, pod := range related {
		onNode[pod.Spec.NodeName]++
	}
	ranked := make([]rankedPod, len(pods))
	for i, pod := range pods {
		ranked[i] = rankedPod{pod: pod, rank: onNode[pod.Spec.NodeName]}
	}
	if count >= len(ranked) {
		for i := range ranked {
			ranked[i].why = "all have to go"
		}
		return ranked
	}
	slices.SortStableFunc(ranked, func(a, b rankedPod) int {
		order, _ := compare(a, b, now)
		return order
	})
	for i := range count {
		_, ranked[i].why = compare(ranked[i], ranked[count], now)
	}
	return ranked[:count]
}

func compare(a, b rankedPod, now time.Time) (order int, why string) {
	for _, r := range rules {
		if order := r.compare(a, b, now); order != 0 {
			return order, r.why + " (than " + b.pod.Name + ")"
		}
	}
	return 0, "no rule prefers another"
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// newerFirst compares ages on a logarithmic scale (KEP-2185): pods of about the same age
// come in an arbitrary order, that of their UIDs. Else the youngest would always go, and
// pods of an autoscaled workload would pile up where room was at first.
// An unknown time counts as the newest.
func newerFirst(a, b *v1.Pod, timeA, timeB metav1.Time, now time.Time) int {
	switch {
	case timeA.Equal(&timeB):
		return 0
	case timeA.IsZero():
		return -1
	case timeB.IsZero():
		return 1
	}
	return cmp.Or(cmp.Compare(magnitude(now.Sub(timeA.Time)), magnitude(now.Sub(timeB.Time))), cmp.Compare(a.UID, b.UID))
}

// magnitude of an age is its logarithm to base 2: 1 to 2 hours are one magnitude, 2 to 4
// the next.
func magnitude(age time.Duration) int {
	if age <= 0 {
		return -1
	}
	return int(math.Log2(float64(age)))
}

func deletionCost(pod *v1.Pod) int64 {
	// The API server accepts only numbers here; a pod from elsewhere costs nothing.
	cost, err := strconv.ParseInt(pod.Annotations[v1.PodDeletionCost], 10, 32)
	if err != nil {
		return 0
	}
	return cost
}

// restarts is the highest restart count of the pod's containers, and of its
// sidecars, the init containers that run along with them.
func restarts(pod *v1.Pod) (containers, sidecars int32) {
	for _, status := range pod.Status.ContainerStatuses {
		containers = max(containers, status.RestartCount)
	}
	isSidecar := map[string]bool{}
	for _, c := range pod.Spec.InitContainers {
		isSidecar[c.Name] = c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways
	}
	for _, status := range pod.Status.InitContainerStatuses {
		if isSidecar[status.Name] {
			sidecars = max(sidecars, status.RestartCount)
		}
	}
	return containers, sidecars
}
