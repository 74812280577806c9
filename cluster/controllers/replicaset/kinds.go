package replicaset

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"noriter.dev/noriter/cluster/controllers/podset"
)

// kind is where one of the two kinds is read from and written to. The loop itself
// knows only ReplicaSets; a ReplicationController is shown to it as one.
type kind struct {
	name         string // of the controller, as in --controllers
	informer     cache.SharedIndexInformer
	owners       podset.Owners[*appsv1.ReplicaSet]
	updateStatus func(ctx context.Context, rs *appsv1.ReplicaSet) error
	// countsTerminating is true if the kind's status has a place for that count
	// (KEP-3973). The older kind gets no new fields.
	countsTerminating bool
}

func replicaSets(client kubernetes.Interface, factory informers.SharedInformerFactory) kind {
	all := factory.Apps().V1().ReplicaSets()
	return kind{
		name: "replicaset-controller", informer: all.Informer(), countsTerminating: true,
		owners: podset.OwnersOf(appsv1.SchemeGroupVersion.WithKind("ReplicaSet"), all.Lister().ReplicaSets, client.AppsV1().ReplicaSets, selectorOf),
		updateStatus: func(ctx context.Context, rs *appsv1.ReplicaSet) error {
			_, err := client.AppsV1().ReplicaSets(rs.Namespace).UpdateStatus(ctx, rs, metav1.UpdateOptions{})
			return err
		},
	}
}

func selectorOf(rs *appsv1.ReplicaSet) *metav1.LabelSelector { return rs.Spec.Selector }

func replicationControllers(client kubernetes.Interface, factory informers.SharedInformerFactory) kind {
	all := factory.Core().V1().ReplicationControllers()
	shown := func(rc *v1.ReplicationController, err error) (*appsv1.ReplicaSet, error) {
		if err != nil {
			return nil, err
		}
		return asReplicaSet(rc), nil
	}
	return kind{
		name: "replicationcontroller-controller", informer: all.Informer(),
		owners: podset.Owners[*appsv1.ReplicaSet]{
			Kind:     v1.SchemeGroupVersion.WithKind("ReplicationController"),
			Selector: selectorOf,
			Get: func(namespace, name string) (*appsv1.ReplicaSet, error) {
				return shown(all.Lister().ReplicationControllers(namespace).Get(name))
			},
			Live: func(ctx context.Context, namespace, name string) (*appsv1.ReplicaSet, error) {
				return shown(client.CoreV1().ReplicationControllers(namespace).Get(ctx, name, metav1.GetOptions{}))
			},
			List: func(namespace string) ([]*appsv1.ReplicaSet, error) {
				rcs, err := all.Lister().ReplicationControllers(namespace).List(labels.Everything())
				sets := make([]*appsv1.ReplicaSet, len(rcs))
				for i, rc := range rcs {
					sets[i] = asReplicaSet(rc)
				}
				return sets, err
			},
		},
		updateStatus: func(ctx context.Context, rs *appsv1.ReplicaSet) error {
			_, err := client.CoreV1().ReplicationControllers(rs.Namespace).UpdateStatus(ctx, asReplicationController(rs), metav1.UpdateOptions{})
			return err
		},
	}
}
