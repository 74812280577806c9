package nodelifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"

	"noriter.dev/noriter/cluster/trace"
)

// syncPod decides whether, and when, a pod has to leave its node for the taints
// that the node has. It is called whenever either of them changes.
func (c *Controller) syncPod(ctx context.Context, key string) error {
	obj, exists, err := c.pods.GetByKey(key)
	if err != nil {
		return fmt.Errorf("reading pod %s: %w", key, err)
	}
	pod, ok := obj.(*v1.Pod)
	if !exists || !ok || pod.DeletionTimestamp != nil {
		c.setDue(key, time.Time{})
		return nil
	}
	node, err := c.nodes.Get(pod.Spec.NodeName)
	if apierrors.IsNotFound(err) {
		return nil // the pod garbage collector sees to it
	}
	if err != nil {
		return fmt.Errorf("reading node %s: %w", pod.Spec.NodeName, err)
	}

	due, taint := c.evictionTime(pod, noExecute(node))
	if due.IsZero() {
		if c.setDue(key, due) {
			trace.Decide(ctx, trace.For(pod), "eviction called off", "its node has no taint any more that it does not tolerate")
			c.eviction.Eventf(pod, v1.EventTypeNormal, "TaintManagerEviction", "Cancelling deletion of Pod %s", key)
		}
		return nil
	}
	if wait := due.Sub(c.clock.Now()); wait > 0 {
		if !c.setDue(key, due) {
			trace.Decide(ctx, trace.For(pod), "to be evicted in "+wait.Round(time.Second).String(), "it tolerates the taint "+taint+" of its node for that long")
		}
		c.evict.AddAfter(pod, wait)
		return nil
	}
	c.setDue(key, time.Time{})
	return c.evictPod(ctx, pod, taint)
}

// evictionTime is when the pod has to go, and for which taint; the zero time if it
// may stay. Each taint is tolerated for as long as the toleration says, counted from
// when the taint was added.
func (c *Controller) evictionTime(pod *v1.Pod, taints []v1.Taint) (due time.Time, key string) {
	for i := range taints {
		taint := &taints[i]
		from := c.clock.Now()
		if taint.TimeAdded != nil {
			from = taint.TimeAdded.Time
		}
		if pod.CreationTimestamp.After(from) {
			from = pod.CreationTimestamp.Time
		}
		seconds, tolerated := tolerance(pod, taint)
		if !tolerated {
			return c.clock.Now(), taint.Key
		}
		if seconds == nil {
			continue // for ever
		}
		end := from.Add(time.Duration(max(0, *seconds)) * time.Second)
		if due.IsZero() || end.Before(due) {
			due, key = end, taint.Key
		}
	}
	return due, key
}

// tolerance is for how many seconds the pod tolerates a taint, nil for ever.
func tolerance(pod *v1.Pod, taint *v1.Taint) (seconds *int64, tolerated bool) {
	for i := range pod.Spec.Tolerations {
		one := pod.Spec.Tolerations[i : i+1]
		if corev1helpers.TolerationsTolerateTaint(klog.Background(), one, taint, false) {
			return one[0].TolerationSeconds, true
		}
	}
	return nil, false
}

// setDue remembers when a pod will be evicted. It is true if it was to be before.
func (c *Controller) setDue(key string, due time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.due[key]
	if due.IsZero() {
		delete(c.due, key)
	} else {
		c.due[key] = due
	}
	return known
}

// evictPod deletes the pod. On a node that is lost it stays, terminating, until the
// node comes back or is removed: nobody else can say that its containers have ended.
func (c *Controller) evictPod(ctx context.Context, pod *v1.Pod, taint string) error {
	trace.Decide(ctx, trace.For(pod), "evicted", "its node "+pod.Spec.NodeName+" has the taint "+taint)
	c.eviction.Eventf(pod, v1.EventTypeNormal, "TaintManagerEviction", "Marking for deletion Pod %s/%s", pod.Namespace, pod.Name)
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": v1.PodStatus{Conditions: []v1.PodCondition{{
		Type: v1.DisruptionTarget, Status: v1.ConditionTrue, Reason: "DeletionByTaintManager", Message: "Taint manager: deleting due to NoExecute taint",
		ObservedGeneration: pod.Generation, LastTransitionTime: metav1.NewTime(c.clock.Now()),
	}}}})
	if err != nil {
		return fmt.Errorf("writing the status of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	pods := c.client.CoreV1().Pods(pod.Namespace)
	_, err = pods.Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if err == nil {
		err = pods.Delete(ctx, pod.Name, *metav1.NewPreconditionDeleteOptions(string(pod.UID)))
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("evicting pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// noExecute are the taints that evict pods.
func noExecute(node *v1.Node) []v1.Taint {
	var taints []v1.Taint
	for _, taint := range node.Spec.Taints {
		if taint.Effect == v1.TaintEffectNoExecute {
			taints = append(taints, taint)
		}
	}
	return taints
}
