package replicaset

import (
	"fmt"
	"log/slog"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"

	"noriter.dev/noriter/cluster/controllers/podset"
)

// watch turns what happens into names in the queue: the ReplicaSet itself, or the
// one whose pod it was.
func (c *Controller) watch(replicaSets, pods cache.SharedIndexInformer) error {
	_, err := replicaSets.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: c.loop.Add,
		UpdateFunc: func(old, obj any) {
			c.forgetReplaced(old, obj)
			c.loop.Add(obj)
		},
		DeleteFunc: c.loop.Add,
	})
	if err != nil {
		return fmt.Errorf("watching %s: %w", c.kind.name, err)
	}
	_, err = pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { c.podAdded(obj.(*v1.Pod)) },
		UpdateFunc: func(old, obj any) { c.podUpdated(old.(*v1.Pod), obj.(*v1.Pod)) },
		DeleteFunc: func(obj any) { c.podDeleted(podset.AsPod(obj)) },
	})
	if err != nil {
		return fmt.Errorf("watching pods for %s: %w", c.kind.name, err)
	}
	return nil
}

// forgetReplaced drops the expectations of an object that was deleted and made anew
// so quickly that the watch shows a single change.
func (c *Controller) forgetReplaced(old, obj any) {
	before, ok := old.(metav1.Object)
	after, ok2 := obj.(metav1.Object)
	if ok && ok2 && before.GetUID() != after.GetUID() {
		c.expect.Forget(after.GetNamespace() + "/" + after.GetName())
	}
}

func (c *Controller) podAdded(pod *v1.Pod) {
	// After a restart of ours a pod may appear that is on its way out already.
	if pod.DeletionTimestamp != nil {
		c.podDeleted(pod)
		return
	}
	if ref := metav1.GetControllerOfNoCopy(pod); ref != nil {
		if rs := c.owner(pod.Namespace, ref); rs != nil {
			c.expect.Created(key(rs))
			c.loop.Add(rs)
		}
		return
	}
	c.offer(pod)
}

func (c *Controller) podUpdated(old, pod *v1.Pod) {
	if old.ResourceVersion == pod.ResourceVersion {
		return // a periodic resync
	}
	relabelled := !maps.Equal(old.Labels, pod.Labels)
	if pod.DeletionTimestamp != nil {
		// A pod that has been asked to end is no replica any more, however long its
		// grace period. Its replacement is made now, not when it is gone.
		c.podDeleted(pod)
		if relabelled {
			c.podDeleted(old)
		}
		return
	}
	before, after := metav1.GetControllerOfNoCopy(old), metav1.GetControllerOfNoCopy(pod)
	handedOver := !equality.Semantic.DeepEqual(before, after)
	if handedOver && before != nil {
		if rs := c.owner(old.Namespace, before); rs != nil {
			c.loop.Add(rs)
		}
	}
	if after != nil {
		if rs := c.owner(pod.Namespace, after); rs != nil {
			c.loop.Add(rs)
		}
		return
	}
	if relabelled || handedOver {
		c.offer(pod)
	}
}

func (c *Controller) podDeleted(pod *v1.Pod) {
	if pod == nil {
		return
	}
	ref := metav1.GetControllerOfNoCopy(pod)
	if ref == nil {
		return // nobody misses an orphan
	}
	if rs := c.owner(pod.Namespace, ref); rs != nil {
		c.expect.Deleted(key(rs), pod.UID)
		c.loop.Add(rs)
	}
}

// offer queues all ReplicaSets that might adopt a pod without a controller.
func (c *Controller) offer(pod *v1.Pod) {
	all, err := c.kind.list(pod.Namespace)
	if err != nil {
		slog.Error("looking for a controller of an orphaned pod", "pod", pod.Namespace+"/"+pod.Name, "error", err)
		return
	}
	for _, rs := range all {
		selector, err := metav1.LabelSelectorAsSelector(rs.Spec.Selector)
		if err == nil && !selector.Empty() && selector.Matches(labels.Set(pod.Labels)) {
			c.loop.Add(rs)
		}
	}
}

// owner is the ReplicaSet that a reference means, nil if it is another kind's, or
// gone, or has been replaced by one of the same name.
func (c *Controller) owner(namespace string, ref *metav1.OwnerReference) *appsv1.ReplicaSet {
	if ref.Kind != c.kind.gvk.Kind {
		return nil
	}
	rs, err := c.kind.get(namespace, ref.Name)
	if err != nil || rs.UID != ref.UID {
		return nil
	}
	return rs
}

func key(rs *appsv1.ReplicaSet) string { return rs.Namespace + "/" + rs.Name }
