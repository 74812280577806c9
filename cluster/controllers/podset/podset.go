// Package podset is what the controllers of sets of pods share. A controller of a
// new kind needs, in this order:
//
//   - Owners, which say where its objects are read from;
//   - Handlers, which turn events of these objects and of their pods into work;
//   - Claim, which decides in each sync which pods are theirs;
//   - PodControl, which makes and deletes pods;
//   - Expectations, which keep a sync from acting twice on the same news.
//
// The functions of this file read the state of one pod.
package podset

import (
	"cmp"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// IsActive is true for a pod that counts as a replica: it has neither ended nor
// been asked to (upstream's IsPodActive).
func IsActive(pod *v1.Pod) bool {
	return !IsTerminal(pod) && pod.DeletionTimestamp == nil
}

// IsTerminal is true for a pod that has run to its end and will not start again.
func IsTerminal(pod *v1.Pod) bool {
	return pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed
}

// IsTerminating is true for a pod that was asked to end and has not yet.
func IsTerminating(pod *v1.Pod) bool {
	return !IsTerminal(pod) && pod.DeletionTimestamp != nil
}

// Condition returns the pod's condition of a type, nil if it has none.
func Condition(pod *v1.Pod, conditionType v1.PodConditionType) *v1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == conditionType {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// IsReady is true if the pod's Ready condition is.
func IsReady(pod *v1.Pod) bool {
	c := Condition(pod, v1.PodReady)
	return c != nil && c.Status == v1.ConditionTrue
}

// ReadySince is when the pod became ready, the zero time if it is not.
func ReadySince(pod *v1.Pod) metav1.Time {
	if c := Condition(pod, v1.PodReady); c != nil && c.Status == v1.ConditionTrue {
		return c.LastTransitionTime
	}
	return metav1.Time{}
}

// IsAvailable is true for a pod that has been ready for at least minReadySeconds. A
// program that starts, answers its first probe and crashes a second later is ready for a
// moment, and never available. Rolling updates count available pods.
func IsAvailable(pod *v1.Pod, minReadySeconds int32, now time.Time) bool {
	wait, ready := untilAvailable(pod, minReadySeconds, now)
	return ready && wait <= 0
}

// untilAvailable is how long a ready pod has to stay so to count as available;
// ready is false if it is not ready at all.
func untilAvailable(pod *v1.Pod, minReadySeconds int32, now time.Time) (wait time.Duration, ready bool) {
	if !IsReady(pod) {
		return 0, false
	}
	if minReadySeconds == 0 {
		return 0, true
	}
	since := ReadySince(pod)
	if since.IsZero() {
		return time.Duration(minReadySeconds) * time.Second, true
	}
	return since.Add(time.Duration(minReadySeconds) * time.Second).Sub(now), true
}

// NextAvailable is the shortest time after which another of the pods becomes
// available by itself; ok is false if none does (upstream's
// FindMinNextPodAvailabilityCheck). That time passes is no event, so a controller puts
// the owner into its queue again for then.
func NextAvailable(pods []*v1.Pod, minReadySeconds int32, now time.Time) (wait time.Duration, ok bool) {
	for _, pod := range pods {
		if w, ready := untilAvailable(pod, minReadySeconds, now); ready && w > 0 && (!ok || w < wait) {
			wait, ok = w, true
		}
	}
	return wait, ok
}

// OldestFirst compares by creation. Creation times are in whole seconds, so objects that
// were made together are told apart by their names: the order is the same every time.
func OldestFirst[T metav1.Object](a, b T) int {
	born, other := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	return cmp.Or(born.Compare(other.Time), strings.Compare(a.GetName(), b.GetName()))
}
