package scheduler

import (
	"context"
	"log/slog"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/component"
)

// Scheduler finds nodes for the pods that name it in spec.schedulerName (upstream's
// pkg/scheduler/scheduler.go).
type Scheduler struct {
	name               string
	client             kubernetes.Interface
	events             events.EventRecorder
	queue              *schedulingQueue
	cache              *clusterCache
	namespaces         corelisters.NamespaceLister
	nextStartNodeIndex int            // where the next search for feasible nodes begins
	background         sync.WaitGroup // bindings and preemptions on their way
	// listed are done when the first lists of pods and nodes have reached queue and
	// cache. Informers call their handlers later than they fill their own stores.
	listed []cache.DoneChecker
}

func newScheduler(name string, client kubernetes.Interface, factory informers.SharedInformerFactory, recorder events.EventRecorder, clk clock.WithTicker) (*Scheduler, error) {
	namespaces := factory.Core().V1().Namespaces()
	namespaces.Informer() // a factory starts only the informers that were asked for
	s := &Scheduler{
		name: name, client: client, events: recorder, queue: newSchedulingQueue(clk), cache: newClusterCache(),
		namespaces: namespaces.Lister(),
	}
	if err := s.addAllEventHandlers(factory.Core().V1().Pods().Informer(), factory.Core().V1().Nodes().Informer()); err != nil {
		return nil, err
	}
	return s, nil
}

// newInformerFactory makes informers for what the scheduler looks at. Pods that have
// ended take no room, so they are not even transferred.
func newInformerFactory(client kubernetes.Interface) informers.SharedInformerFactory {
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(component.Slim))
	factory.InformerFor(&v1.Pod{}, func(client kubernetes.Interface, resync time.Duration) cache.SharedIndexInformer {
		informer := coreinformers.NewFilteredPodInformer(client, metav1.NamespaceAll, resync,
			cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}, func(options *metav1.ListOptions) {
				options.FieldSelector = "status.phase!=" + string(v1.PodSucceeded) + ",status.phase!=" + string(v1.PodFailed)
			})
		return informer
	})
	return factory
}

// run schedules until ctx ends, and then waits for bindings on their way.
func (s *Scheduler) run(ctx context.Context) {
	// Before all nodes and pods are known, pods would be put where there is no room,
	// or called unschedulable.
	if !cache.WaitFor(ctx, "", s.listed...) {
		return
	}
	s.cache.mu.RLock()
	slog.Info("scheduling", "nodes", len(s.cache.sorted), "pods", len(s.cache.pods))
	s.cache.mu.RUnlock()
	for s.scheduleOne(ctx) {
	}
	s.background.Wait()
}

func (s *Scheduler) namespaceLabels(name string) map[string]string {
	namespace, err := s.namespaces.Get(name)
	if err != nil {
		return nil // gone, or not known yet: it matches no selector
	}
	return namespace.Labels
}
