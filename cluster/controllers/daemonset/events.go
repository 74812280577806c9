package daemonset

import (
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

func (c *Controller) watchPods(pods cache.SharedIndexInformer) error {
	_, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			pod := obj.(*v1.Pod)
			if ds := c.owner(pod); ds != nil && pod.DeletionTimestamp == nil {
				c.expect.Created(ds.Namespace + "/" + ds.Name)
			}
			c.podChanged(nil, pod)
		},
		UpdateFunc: func(old, obj any) { c.podChanged(old.(*v1.Pod), obj.(*v1.Pod)) },
		DeleteFunc: func(obj any) {
			if pod := podset.AsPod(obj); pod != nil {
				c.podGone(pod)
			}
		},
	})
	return err
}

// podChanged queues the DaemonSet of a pod, and of what the pod was before.
func (c *Controller) podChanged(old, pod *v1.Pod) {
	if old != nil {
		if old.ResourceVersion == pod.ResourceVersion {
			return
		}
		if before := c.owner(old); before != nil {
			c.loop.Add(before)
		}
	}
	if pod.DeletionTimestamp != nil {
		c.podGone(pod) // its end was asked for, which is what we waited to see
		return
	}
	if ds := c.owner(pod); ds != nil {
		c.loop.Add(ds)
		return
	}
	if metav1.GetControllerOfNoCopy(pod) == nil && (old == nil || !maps.Equal(old.Labels, pod.Labels) || len(old.OwnerReferences) > 0) {
		c.offer(pod)
	}
}

func (c *Controller) podGone(pod *v1.Pod) {
	if ds := c.owner(pod); ds != nil {
		c.expect.Deleted(ds.Namespace+"/"+ds.Name, pod.UID)
		c.loop.Add(ds)
	}
}

// offer queues all DaemonSets that might adopt a pod without a controller.
func (c *Controller) offer(pod *v1.Pod) {
	sets, err := c.daemonSets.DaemonSets(pod.Namespace).List(labels.Everything())
	if err != nil {
		slog.Error("looking for a controller of an orphaned pod", "pod", pod.Namespace+"/"+pod.Name, "error", err)
		return
	}
	for _, ds := range sets {
		selector, err := metav1.LabelSelectorAsSelector(ds.Spec.Selector)
		if err == nil && !selector.Empty() && selector.Matches(labels.Set(pod.Labels)) {
			c.loop.Add(ds)
		}
	}
}

func (c *Controller) owner(pod *v1.Pod) *appsv1.DaemonSet {
	ref := metav1.GetControllerOfNoCopy(pod)
	if ref == nil || ref.Kind != kind.Kind {
		return nil
	}
	ds, err := c.daemonSets.DaemonSets(pod.Namespace).Get(ref.Name)
	if err != nil || ds.UID != ref.UID {
		return nil
	}
	return ds
}

// nodeChanged looks again at all DaemonSets if something about a node changed that
// decides where their pods run.
func (c *Controller) nodeChanged(old, node *v1.Node) {
	if !maps.Equal(old.Labels, node.Labels) || !equality.Semantic.DeepEqual(old.Spec.Taints, node.Spec.Taints) || old.Name != node.Name {
		c.queueAll()
	}
}

func (c *Controller) queueAll() {
	sets, err := c.daemonSets.List(labels.Everything())
	if err != nil {
		slog.Error("listing daemon sets", "error", err)
		return
	}
	for _, ds := range sets {
		c.loop.Add(ds)
	}
}
