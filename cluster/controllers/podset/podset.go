// Package podset is what the controllers of sets of pods share: which pods are
// theirs, making and deleting them, and not acting twice on the same news.
package podset

import (
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// IsActive is true for a pod that counts as a replica: it has neither ended nor
// been asked to.
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

// IsAvailable is true for a pod that has been ready for at least minReadySeconds.
func IsAvailable(pod *v1.Pod, minReadySeconds int32, now time.Time) bool {
	wait, ready := UntilAvailable(pod, minReadySeconds, now)
	return ready && wait <= 0
}

// UntilAvailable is how long a ready pod has to stay so to count as available;
// ready is false if it is not ready at all.
func UntilAvailable(pod *v1.Pod, minReadySeconds int32, now time.Time) (wait time.Duration, ready bool) {
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
// available by itself; ok is false if none does.
func NextAvailable(pods []*v1.Pod, minReadySeconds int32, now time.Time) (wait time.Duration, ok bool) {
	for _, pod := range pods {
		if w, ready := UntilAvailable(pod, minReadySeconds, now); ready && w > 0 && (!ok || w < wait) {
			wait, ok = w, true
		}
	}
	return wait, ok
}
