package controllers

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	"noriter.dev/noriter/cluster/component"
)

// mapperReset is how often the known kinds of objects are forgotten, so that custom
// resources that were defined meanwhile are found.
const mapperReset = 30 * time.Second

// Run runs all control loops until ctx ends or the lease is lost.
func Run(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	klog.SetSlogLogger(slog.Default()) // upstream's loops log like ours
	config, err := component.ClientConfig(o.Kubeconfig, "kube-controller-manager")
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
	return component.Election{Lease: "kube-controller-manager", Client: client, Health: health}.Run(ctx, work)
}

// work makes the loops that are asked for, fills the caches, and runs them until
// ctx ends. If one of them fails, all end: systemd starts the process anew.
func work(ctx context.Context, o Options, client kubernetes.Interface) error {
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := newWorkshop(ctx, o, client)
	if err != nil {
		return err
	}
	runs := map[string]func(context.Context) error{}
	for _, l := range loops {
		if !o.enabled(l.name) {
			slog.Info("not running", "controller", l.name, "why", "--controllers says so")
			continue
		}
		if runs[l.name], err = l.make(ctx, w); err != nil {
			return fmt.Errorf("preparing the %s: %w", l.name, err)
		}
	}
	defer w.stop()
	defer cancel() // before stop, which waits for what ctx ends
	if err := w.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.keepMapperFresh(ctx) })
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

func (w *workshop) keepMapperFresh(ctx context.Context) error {
	ticker := w.clock.NewTicker(mapperReset)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			w.mapper.Reset()
		}
	}
}
