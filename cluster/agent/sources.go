package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"noriter.dev/noriter/cluster/agent/pods"
	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/volumes"
)

// watchPods feeds the pods bound to this node to the manager until ctx ends.
func watchPods(ctx context.Context, client kubernetes.Interface, node string, m *pods.PodWorkers) {
	own := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "pods", metav1.NamespaceAll,
		fields.OneTermEqualSelector("spec.nodeName", node))
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: own, ObjectType: &v1.Pod{}, Transform: slim,
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(obj any) { m.UpdatePod(obj.(*v1.Pod)) },
			UpdateFunc: func(_, obj any) { m.UpdatePod(obj.(*v1.Pod)) },
			DeleteFunc: func(obj any) {
				if missed, ok := obj.(cache.DeletedFinalStateUnknown); ok {
					obj = missed.Obj
				}
				if pod, ok := obj.(*v1.Pod); ok {
					m.RemovePod(pod)
				}
			},
		},
	})
	go informer.RunWithContext(ctx)
	if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		m.HandlePodCleanups(ctx)
	}
	<-ctx.Done()
}

// slim drops what the agent never reads, to save memory: who wrote which field.
func slim(obj any) (any, error) {
	if o, ok := obj.(metav1.Object); ok {
		o.SetManagedFields(nil)
	}
	return obj, nil
}

// objects implements podspec.Objects: ConfigMaps and Secrets are read when they are
// needed, services, which every container start needs, are watched.
type objects struct {
	*volumes.Objects
	services corelisters.ServiceLister
	synced   func() bool
}

// errServicesUnknown keeps containers from starting with half an environment.
var errServicesUnknown = errors.New("services have not yet been read at least once, cannot construct envvars")

// newObjects watches services until ctx ends.
func newObjects(ctx context.Context, client kubernetes.Interface, named *volumes.Objects) *objects {
	all := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "services", metav1.NamespaceAll, fields.Everything())
	store, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: all, ObjectType: &v1.Service{}, Transform: slimService,
		Indexers: cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc},
		Handler:  cache.ResourceEventHandlerFuncs{},
	})
	go informer.RunWithContext(ctx)
	return &objects{Objects: named, services: corelisters.NewServiceLister(store.(cache.Indexer)), synced: informer.HasSynced}
}

// slimService keeps the name, the address and the ports.
func slimService(obj any) (any, error) {
	s, ok := obj.(*v1.Service)
	if !ok {
		return obj, nil
	}
	return &v1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: s.Name, Namespace: s.Namespace, UID: s.UID, ResourceVersion: s.ResourceVersion},
		Spec:       v1.ServiceSpec{ClusterIP: s.Spec.ClusterIP, Ports: s.Spec.Ports},
	}, nil
}

// servicesLimit is how long a container's start waits for the first list of
// services. After a boot the pods may be known a moment earlier, and a failed
// start would be tried again only after ten seconds.
const servicesLimit = 5 * time.Second

// Services implements podspec.Objects.
func (o *objects) Services() ([]*v1.Service, error) {
	ctx, cancel := context.WithTimeout(context.Background(), servicesLimit)
	defer cancel()
	if !cache.WaitForCacheSync(ctx.Done(), o.synced) {
		return nil, errServicesUnknown
	}
	return o.services.List(labels.Everything())
}

// podVolumes implements pods.Volumes.
type podVolumes struct{ *volumes.Manager }

func (v podVolumes) SetUp(ctx context.Context, pod *v1.Pod) (map[string]podspec.Volume, error) {
	mounted, err := v.Manager.SetUp(ctx, pod)
	if err != nil {
		return nil, err
	}
	out := make(map[string]podspec.Volume, len(mounted))
	for name, m := range mounted {
		out[name] = podspec.Volume{HostPath: m.Path, ReadOnly: m.ReadOnly}
	}
	return out, nil
}

func (v podVolumes) SubPath(uid types.UID, container string, index int, name string, volume podspec.Volume, path string) (string, error) {
	host, err := v.Manager.SubPath(uid, container, index, name, volumes.Mounted{Path: volume.HostPath, ReadOnly: volume.ReadOnly}, path)
	if err != nil {
		return "", fmt.Errorf("preparing subPath %q of volume %q: %w", path, name, err)
	}
	return host, nil
}
