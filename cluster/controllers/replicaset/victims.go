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

// candidate is a pod that may have to go, with what the rules need to know of it.
type candidate struct {
	pod      *v1.Pod
	together int // active related pods on its node
	why      string
}

// rule says which of two pods should go first: negative for a, zero if it can't tell.
type rule struct {
	why     string
	compare func(a, b candidate, now time.Time) int
}

// rules decide which pods to delete; the first that can tell two pods apart counts.
// The idea is to lose the least: first what does not work yet, then what is doubled
// on one node, then what is youngest. See ActivePodsWithRanks in upstream's
// pkg/controller/controller_utils.go.
var rules = []rule{
	{"it has no node yet", func(a, b candidate, _ time.Time) int {
		return falseFirst(a.pod.Spec.NodeName != "", b.pod.Spec.NodeName != "")
	}},
	{"it has not come as far", func(a, b candidate, _ time.Time) int {
		return cmp.Compare(phaseOrder[a.pod.Status.Phase], phaseOrder[b.pod.Status.Phase])
	}},
	{"it is not ready", func(a, b candidate, _ time.Time) int {
		return falseFirst(podset.IsReady(a.pod), podset.IsReady(b.pod))
	}},
	{"its annotation " + v1.PodDeletionCost + " is lower", func(a, b candidate, _ time.Time) int {
		return cmp.Compare(deletionCost(a.pod), deletionCost(b.pod))
	}},
	{"its node has more of them", func(a, b candidate, _ time.Time) int {
		return cmp.Compare(b.together, a.together)
	}},
	{"it became ready more recently", func(a, b candidate, now time.Time) int {
		return newerFirst(a.pod, b.pod, podset.ReadySince(a.pod), podset.ReadySince(b.pod), now)
	}},
	{"its containers restarted more often", func(a, b candidate, _ time.Time) int {
		mainA, sidecarsA := restarts(a.pod)
		mainB, sidecarsB := restarts(b.pod)
		return cmp.Or(cmp.Compare(mainB, mainA), cmp.Compare(sidecarsB, sidecarsA))
	}},
	{"it was created more recently", func(a, b candidate, now time.Time) int {
		return newerFirst(a.pod, b.pod, a.pod.CreationTimestamp, b.pod.CreationTimestamp, now)
	}},
}

// phaseOrder puts the phases in the order of a pod's life.
var phaseOrder = map[v1.PodPhase]int{v1.PodPending: 0, v1.PodUnknown: 1, v1.PodRunning: 2}

// chooseVictims returns the count pods that should go first, and why each of them
// rather than one that stays.
func chooseVictims(pods, related []*v1.Pod, count int, now time.Time) []candidate {
	onNode := map[string]int{}
	for _, pod := range related {
		onNode[pod.Spec.NodeName]++
	}
	candidates := make([]candidate, len(pods))
	for i, pod := range pods {
		candidates[i] = candidate{pod: pod, together: onNode[pod.Spec.NodeName]}
	}
	if count >= len(candidates) {
		for i := range candidates {
			candidates[i].why = "all have to go"
		}
		return candidates
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int {
		order, _ := compare(a, b, now)
		return order
	})
	for i := range count {
		_, candidates[i].why = compare(candidates[i], candidates[count], now)
	}
	return candidates[:count]
}

func compare(a, b candidate, now time.Time) (order int, why string) {
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

// newerFirst compares ages on a logarithmic scale: pods of about the same age come
// in an arbitrary order, that of their UIDs. Else the youngest would always go, and
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
