package replicaset

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// kind is where one of the two kinds is read from and written to. The loop itself
// knows only ReplicaSets; a ReplicationController is shown to it as one.
type kind struct {
	name         string // of the controller, as in --controllers
	gvk          schema.GroupVersionKind
	informer     cache.SharedIndexInformer
	get          func(namespace, name string) (*appsv1.ReplicaSet, error)
	list         func(namespace string) ([]*appsv1.ReplicaSet, error)
	fresh        func(ctx context.Context, namespace, name string) (metav1.Object, error)
	updateStatus func(ctx context.Context, rs *appsv1.ReplicaSet) error
	// countsTerminating is true if the kind's status has a place for that count.
	countsTerminating bool
}

func replicaSets(client kubernetes.Interface, factory informers.SharedInformerFactory) kind {
	all := factory.Apps().V1().ReplicaSets()
	return kind{
		name: "replicaset-controller", countsTerminating: true, gvk: appsv1.SchemeGroupVersion.WithKind("ReplicaSet"), informer: all.Informer(),
		get: func(namespace, name string) (*appsv1.ReplicaSet, error) {
			return all.Lister().ReplicaSets(namespace).Get(name)
		},
		list: func(namespace string) ([]*appsv1.ReplicaSet, error) {
			return all.Lister().ReplicaSets(namespace).List(labels.Everything())
		},
		fresh: func(ctx context.Context, namespace, name string) (metav1.Object, error) {
			return client.AppsV1().ReplicaSets(namespace).Get(ctx, name, metav1.GetOptions{})
		},
		updateStatus: func(ctx context.Context, rs *appsv1.ReplicaSet) error {
			_, err := client.AppsV1().ReplicaSets(rs.Namespace).UpdateStatus(ctx, rs, metav1.UpdateOptions{})
			return err
		},
	}
}

func replicationControllers(client kubernetes.Interface, factory informers.SharedInformerFactory) kind {
	all := factory.Core().V1().ReplicationControllers()
	return kind{
		name: "replicationcontroller-controller", gvk: v1.SchemeGroupVersion.WithKind("ReplicationController"), informer: all.Informer(),
		get: func(namespace, name string) (*appsv1.ReplicaSet, error) {
			rc, err := all.Lister().ReplicationControllers(namespace).Get(name)
			if err != nil {
				return nil, err
			}
			return asReplicaSet(rc), nil
		},
		list: func(namespace string) ([]*appsv1.ReplicaSet, error) {
			rcs, err := all.Lister().ReplicationControllers(namespace).List(labels.Everything())
			shown := make([]*appsv1.ReplicaSet, len(rcs))
			for i, rc := range rcs {
				shown[i] = asReplicaSet(rc)
			}
			return shown, err
		},
		fresh: func(ctx context.Context, namespace, name string) (metav1.Object, error) {
			return client.CoreV1().ReplicationControllers(namespace).Get(ctx, name, metav1.GetOptions{})
		},
		updateStatus: func(ctx context.Context, rs *appsv1.ReplicaSet) error {
			_, err := client.CoreV1().ReplicationControllers(rs.Namespace).UpdateStatus(ctx, asReplicationController(rs), metav1.UpdateOptions{})
			return err
		},
	}
}

// asReplicaSet shows a ReplicationController as a ReplicaSet. It keeps its own kind,
// so that events are recorded on the right object.
func asReplicaSet(rc *v1.ReplicationController) *appsv1.ReplicaSet {
	rc = rc.DeepCopy()
	rs := &appsv1.ReplicaSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ReplicationController"},
		ObjectMeta: rc.ObjectMeta,
		Spec: appsv1.ReplicaSetSpec{
			Replicas: rc.Spec.Replicas, MinReadySeconds: rc.Spec.MinReadySeconds,
			Selector: &metav1.LabelSelector{MatchLabels: rc.Spec.Selector},
		},
		Status: appsv1.ReplicaSetStatus{
			Replicas: rc.Status.Replicas, FullyLabeledReplicas: rc.Status.FullyLabeledReplicas,
			ReadyReplicas: rc.Status.ReadyReplicas, AvailableReplicas: rc.Status.AvailableReplicas,
			ObservedGeneration: rc.Status.ObservedGeneration,
		},
	}
	if rc.Spec.Template != nil {
		rs.Spec.Template = *rc.Spec.Template
	}
	for _, c := range rc.Status.Conditions {
		rs.Status.Conditions = append(rs.Status.Conditions, appsv1.ReplicaSetCondition{
			Type: appsv1.ReplicaSetConditionType(c.Type), Status: c.Status,
			LastTransitionTime: c.LastTransitionTime, Reason: c.Reason, Message: c.Message,
		})
	}
	return rs
}

// asReplicationController turns back what the status update needs: identity,
// version and status. Its status has no count of terminating replicas.
func asReplicationController(rs *appsv1.ReplicaSet) *v1.ReplicationController {
	template := rs.Spec.Template
	rc := &v1.ReplicationController{
		ObjectMeta: rs.ObjectMeta,
		Spec: v1.ReplicationControllerSpec{
			Replicas: rs.Spec.Replicas, MinReadySeconds: rs.Spec.MinReadySeconds,
			Selector: rs.Spec.Selector.MatchLabels, Template: &template,
		},
		Status: v1.ReplicationControllerStatus{
			Replicas: rs.Status.Replicas, FullyLabeledReplicas: rs.Status.FullyLabeledReplicas,
			ReadyReplicas: rs.Status.ReadyReplicas, AvailableReplicas: rs.Status.AvailableReplicas,
			ObservedGeneration: rs.Status.ObservedGeneration,
		},
	}
	for _, c := range rs.Status.Conditions {
		rc.Status.Conditions = append(rc.Status.Conditions, v1.ReplicationControllerCondition{
			Type: v1.ReplicationControllerConditionType(c.Type), Status: c.Status,
			LastTransitionTime: c.LastTransitionTime, Reason: c.Reason, Message: c.Message,
		})
	}
	return rc
}
