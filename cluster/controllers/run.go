package controllers

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/klog/v2"

	"noriter.dev/noriter/cluster/component"
)

// lease is what this process leads by, and the name by which it makes requests: both
// upstream's, so that roles and other components know it.
const lease = "kube-controller-manager"

// Run runs all control loops until ctx ends or the lease is lost.
func Run(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	klog.SetSlogLogger(slog.Default()) // upstream's loops log like ours
	config, err := component.ClientConfig(o.Kubeconfig, lease)
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
	work := func(ctx context.Context) error { return work(ctx, o, client) }
	if !o.LeaderElect {
		return work(ctx)
	}
	return component.Election{Lease: lease, Client: client, Health: health, Times: o.Lease}.Run(ctx, work)
}

// work makes the loops that are asked for, fills the caches, and runs them until
// ctx ends. If one of them fails, all end: systemd starts the process anew.
func work(ctx context.Context, o Options, client kubernetes.Interface) error {
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Metadata of custom resources has no protobuf form.
	config, err := component.JSONConfig(o.Kubeconfig, lease)
	if err != nil {
		return err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a metadata client: %w", err)
	}
	c := newControllerContext(ctx, o, client, metadataClient)
	defer c.stop()
	defer cancel() // before stop, which waits for what ctx ends

	// First all are made, then the caches are filled: a cache can only be filled once it
	// is known who wants to hear of its objects.
	runs, err := makeLoops(ctx, c)
	if err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.keepMapperFresh(ctx) })
	for name, run := range runs {
		group.Go(func() error {
			if err := run(ctx); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	slog.Info("controllers are running", "count", len(runs), "took", time.Since(began).Round(time.Millisecond).String())
	if err := component.NotifyReady(); err != nil {
		return err
	}
	return group.Wait()
}

// makeLoops makes the loops that --controllers asks for, by name.
func makeLoops(ctx context.Context, c *controllerContext) (map[string]run, error) {
	runs := map[string]run{}
	for _, d := range descriptors {
		if !c.options.enabled(d.name) {
			slog.Info("not running", "controller", d.name, "why", "--controllers says so")
			continue
		}
		run, err := d.make(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("preparing the %s: %w", d.name, err)
		}
		runs[d.name] = run
	}
	return runs, nil
}
