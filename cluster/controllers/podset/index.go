package podset

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// byController is the name of the index of pods by what controls them.
const byController = "noriter/controller"

// Index lets the informer's pods be found by their controller's UID, and those
// without a controller by their namespace. Without it, each look at one ReplicaSet
// would go through every pod of the namespace. It may be called more than once for
// an informer, before it runs.
func Index(informer cache.SharedIndexInformer) error {
	if _, exists := informer.GetIndexer().GetIndexers()[byController]; exists {
		return nil
	}
	err := informer.AddIndexers(cache.Indexers{byController: func(obj any) ([]string, error) {
		pod, ok := obj.(*v1.Pod)
		if !ok {
			return nil, nil
		}
		if ref := metav1.GetControllerOfNoCopy(pod); ref != nil {
			return []string{string(ref.UID)}, nil
		}
		return []string{orphanKey(pod.Namespace)}, nil
	}})
	if err != nil {
		return fmt.Errorf("indexing pods by controller: %w", err)
	}
	return nil
}

func orphanKey(namespace string) string { return "orphans/" + namespace }

// Controlled returns the pods whose controller has that UID.
func Controlled(pods cache.Indexer, controller types.UID) ([]*v1.Pod, error) {
	return byIndex(pods, byController, string(controller))
}

// Orphans returns the namespace's pods that have no controller.
func Orphans(pods cache.Indexer, namespace string) ([]*v1.Pod, error) {
	return byIndex(pods, byController, orphanKey(namespace))
}

func byIndex(pods cache.Indexer, index, key string) ([]*v1.Pod, error) {
	objs, err := pods.ByIndex(index, key)
	if err != nil {
		return nil, fmt.Errorf("looking up pods by %s: %w", index, err)
	}
	found := make([]*v1.Pod, 0, len(objs))
	for _, obj := range objs {
		if pod, ok := obj.(*v1.Pod); ok {
			found = append(found, pod)
		}
	}
	return found, nil
}

// AsPod is the pod in an informer's event, also if the deletion was missed and
// only its last known state is there; nil if there is none.
func AsPod(obj any) *v1.Pod {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	pod, _ := obj.(*v1.Pod)
	return pod
}

// byNode is the name of the index of pods by their node.
const byNode = "noriter/node"

// IndexByNode lets the informer's pods be found by their node's name. It may be
// called more than once for an informer, before it runs.
func IndexByNode(informer cache.SharedIndexInformer) error {
	if _, exists := informer.GetIndexer().GetIndexers()[byNode]; exists {
		return nil
	}
	err := informer.AddIndexers(cache.Indexers{byNode: func(obj any) ([]string, error) {
		pod, ok := obj.(*v1.Pod)
		if !ok || pod.Spec.NodeName == "" {
			return nil, nil
		}
		return []string{pod.Spec.NodeName}, nil
	}})
	if err != nil {
		return fmt.Errorf("indexing pods by node: %w", err)
	}
	return nil
}

// OnNode returns the pods of a node.
func OnNode(pods cache.Indexer, node string) ([]*v1.Pod, error) {
	return byIndex(pods, byNode, node)
}
