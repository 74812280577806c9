package scheduler

import (
	"context"
	"fmt"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/component"
)

// Run schedules until ctx ends or the lease is lost (upstream's
// cmd/kube-scheduler/app/server.go).
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
	// Health is answered from the beginning: a process that waits for the API server, or
	// for the lease, is well.
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
	return component.Election{Lease: "kube-scheduler", Client: client, Health: health, Times: o.Lease}.Run(ctx, lead)
}

// schedule fills the caches and works until ctx ends. It begins with nothing: all that
// the scheduler knows is in the API server, so a restart loses only the back-offs.
func schedule(ctx context.Context, o Options, client kubernetes.Interface) error {
	// Events are sent in the background, so that no decision waits for them.
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	if err := broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		return fmt.Errorf("starting to record events: %w", err)
	}
	defer broadcaster.Shutdown()

	factory := newInformerFactory(client)
	s, err := newScheduler(o.SchedulerName, client, factory, broadcaster.NewRecorder(scheme.Scheme, o.SchedulerName), clock.RealClock{})
	if err != nil {
		return err
	}
	// newScheduler has added the event handlers, so they see all objects from the first
	// list on.
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
