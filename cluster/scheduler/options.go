package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/component"
)

// Options are the scheduler's flags. The zero value plus AddFlags' defaults is what
// a control node needs.
type Options struct {
	// Kubeconfig is the file with the server and the scheduler's credentials.
	Kubeconfig string
	// LeaderElect makes this process schedule only while it holds the lease
	// kube-system/kube-scheduler, so that several may run.
	LeaderElect bool
	// HealthAddress is where /healthz is answered over plain HTTP; "" for nowhere.
	HealthAddress string
	// SchedulerName is the spec.schedulerName of the pods to schedule.
	SchedulerName string
	// APITimeout is how long to wait at the start for the API server to be ready.
	APITimeout time.Duration
}

// AddFlags defines the flags with their defaults. The names are upstream's where it
// has them.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Kubeconfig, "kubeconfig", "/etc/kubernetes/scheduler.conf", "file with the API server's address and the scheduler's credentials")
	fs.BoolVar(&o.LeaderElect, "leader-elect", true, "schedule only while holding the lease kube-system/kube-scheduler")
	fs.StringVar(&o.HealthAddress, "health-address", "127.0.0.1:10259", "address to answer /healthz on over HTTP, empty for none")
	fs.StringVar(&o.SchedulerName, "scheduler-name", v1.DefaultSchedulerName, "schedule pods with this spec.schedulerName")
	fs.DurationVar(&o.APITimeout, "api-timeout", 5*time.Minute, "how long to wait at the start for the API server")
}

// Validate says what is wrong with the options.
func (o *Options) Validate() error {
	switch {
	case o.Kubeconfig == "":
		return errors.New("--kubeconfig is empty: give the scheduler's kubeconfig, usually /etc/kubernetes/scheduler.conf")
	case o.SchedulerName == "":
		return errors.New("--scheduler-name is empty: pods that name none get " + v1.DefaultSchedulerName)
	case o.APITimeout <= 0:
		return fmt.Errorf("--api-timeout is %v: it must be positive", o.APITimeout)
	}
	return nil
}

// Run schedules until ctx ends or the lease is lost.
func Run(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	config, err := component.ClientConfig(o.Kubeconfig, "kube-scheduler")
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client from %s: %w", o.Kubeconfig, err)
	}
	health, err := component.ServeHealth(ctx, o.HealthAddress)
	if err != nil {
		return err
	}
	defer health.Close()
	if err := component.WaitForAPI(ctx, client.Discovery(), o.APITimeout); err != nil {
		return err
	}
	lead := func(ctx context.Context) error { return schedule(ctx, o, client) }
	if !o.LeaderElect {
		return lead(ctx)
	}
	return component.Election{Lease: "kube-scheduler", Client: client, Health: health}.Run(ctx, lead)
}

// schedule fills the caches and works until ctx ends.
func schedule(ctx context.Context, o Options, client kubernetes.Interface) error {
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	if err := broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		return fmt.Errorf("starting to record events: %w", err)
	}
	defer broadcaster.Shutdown()

	factory := newFactory(client)
	s, err := newScheduler(o.SchedulerName, client, factory, broadcaster.NewRecorder(scheme.Scheme, o.SchedulerName), clock.RealClock{})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("the cache of %v was not filled", kind)
		}
	}
	if err := component.NotifyReady(); err != nil {
		return err
	}
	s.run(ctx)
	return nil
}

// newFactory makes informers for what the scheduler looks at. Pods that have ended
// take up no room, so they are not even transferred.
func newFactory(client kubernetes.Interface) informers.SharedInformerFactory {
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

func newScheduler(name string, client kubernetes.Interface, factory informers.SharedInformerFactory, recorder events.EventRecorder, clk clock.WithTicker) (*Scheduler, error) {
	namespaces := factory.Core().V1().Namespaces()
	namespaces.Informer() // so that the factory starts it
	s := &Scheduler{
		name: name, client: client, events: recorder, queue: newSchedulingQueue(clk), cache: newClusterCache(),
		namespaces: namespaces.Lister(),
	}
	if err := s.addAllEventHandlers(factory.Core().V1().Pods().Informer(), factory.Core().V1().Nodes().Informer()); err != nil {
		return nil, err
	}
	return s, nil
}
