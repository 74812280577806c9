package podset

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// The names of the indexes of pods: by what controls them, and by their node. All
// loops of the process share one cache of pods, and so these indexes too.
const (
	byController = "noriter/controller"
	byNode       = "noriter/node"
)

// IndexByController lets the informer's pods be found by their controller's UID, and
// those without a controller by their namespace (upstream's AddPodControllerIndexer).
// Without it, each look at one ReplicaSet would go through every pod of the namespace.
// It may be called more than once for an informer, before it runs.
func IndexByController(informer cache.SharedIndexInformer) error {
	return index(informer, byController, func(pod *v1.Pod) []string {
		if ref := metav1.GetControllerOfNoCopy(pod); ref != nil {
			return []string{string(ref.UID)}
		}
		return []string{orphanKey(pod.Namespace)}
	})
}

// orphanKey is no UID: those have no slash.
func orphanKey(namespace string) string { return "orphans/" + namespace }

// IndexByNode lets the informer's pods be found by their node's name (upstream's
// AddPodNodeNameIndexer). It may be called more than once for an informer, before it runs.
func IndexByNode(informer cache.SharedIndexInformer) error {
	return index(informer, byNode, func(pod *v1.Pod) []string {
		if pod.Spec.NodeName == "" {
			return nil
		}
		return []string{pod.Spec.NodeName}
	})
}

func index(informer cache.SharedIndexInformer, name string, keys func(*v1.Pod) []string) error {
	if _, exists := informer.GetIndexer().GetIndexers()[name]; exists {
		return nil
	}
	err := informer.AddIndexers(cache.Indexers{name: func(obj any) ([]string, error) {
		pod, ok := obj.(*v1.Pod)
		if !ok {
			return nil, nil
		}
		return keys(pod), nil
	}})
	if err != nil {
		return fmt.Errorf("indexing pods by %s: %w", name, err)
	}
	return nil
}

// Controlled returns the pods whose controller has that UID.
func Controlled(pods cache.Indexer, controller types.UID) ([]*v1.Pod, error) {
	return byIndex(pods, byController, string(controller))
}

// Candidates returns the pods that Claim has to decide about: those that owner controls,
// and the orphans of its namespace (upstream's FilterPodsByOwner).
func Candidates(pods cache.Indexer, owner metav1.Object) ([]*v1.Pod, error) {
	controlled, err := Controlled(pods, owner.GetUID())
	if err != nil {
		return nil, err
	}
	orphans, err := byIndex(pods, byController, orphanKey(owner.GetNamespace()))
	if err != nil {
		return nil, err
	}
	return append(controlled, orphans...), nil
}

// OnNode returns the pods of a node.
func OnNode(pods cache.Indexer, node string) ([]*v1.Pod, error) {
	return byIndex(pods, byNode, node)
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
