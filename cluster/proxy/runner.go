package proxy

import (
	"context"
	"log/slog"
	"time"

	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/backoff"
)

// syncRunner decides when to sync (BoundedFrequencyRunner in
// pkg/proxy/runner/bounded_frequency_runner.go). It is the only goroutine that touches the
// kernel.
type syncRunner struct {
	proxier *proxier
	options Options
	health  *proxyHealth
	ready   func() error

	told  bool          // systemd knows that we are ready
	retry backoff.Pause // after a sync that failed
}

// run syncs at once, then whenever something changed, no two syncs closer
// together than MinSyncPeriod: the first change of a burst is applied immediately, the
// others together. A rollout changes a Service's endpoints dozens of times within a second.
func (l *syncRunner) run(ctx context.Context) {
	verify := time.NewTicker(l.options.SyncPeriod)
	defer verify.Stop()
	again := time.NewTimer(0) // fires for the first sync, retries, and sweeps
	defer again.Stop()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-verify.C:
			l.verify(ctx)
		case <-l.proxier.wake:
		case <-again.C:
		}
		if pause := l.options.MinSyncPeriod - time.Since(last); pause > 0 {
			if backoff.Wait(ctx, clock.RealClock{}, pause) != nil {
				return
			}
		}
		if next := l.syncOnce(ctx); next > 0 {
			again.Reset(next)
		}
		last = time.Now()
	}
}

// syncOnce syncs and says when to come back unasked; 0 is never.
func (l *syncRunner) syncOnce(ctx context.Context) time.Duration {
	if err := l.proxier.syncProxyRules(ctx); err != nil {
		if ctx.Err() != nil {
			return 0
		}
		next := l.retry.Next()
		slog.Error("bringing the rules up to date failed", "error", err, "retryIn", next.String())
		return next
	}
	l.retry.Reset()
	l.health.updated()
	// Ready only with rules: until then the node must not be sent any connections.
	if !l.told {
		l.told = true
		slog.Info("Services are proxied", "node", l.options.Node, "services", len(l.proxier.serviceMap))
		if err := l.ready(); err != nil {
			slog.Warn("readiness could not be reported", "error", err)
		}
	}
	if l.proxier.writer.deleteStaleChains(ctx) {
		return staleAge
	}
	return 0
}

// verify has the table written again if somebody else changed it, as by `nft flush
// ruleset`.
func (l *syncRunner) verify(ctx context.Context) {
	different, err := l.proxier.writer.verify(ctx)
	if err != nil {
		if ctx.Err() == nil {
			slog.Error("checking the rules", "error", err)
		}
		different = "it can't be read"
	}
	if different != "" {
		slog.Warn("somebody changed the nftables table; writing it again", "found", different)
		l.proxier.writer.forget()
	}
}
