package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/backoff"
)

// loop decides when to sync. It is the only goroutine that touches the kernel.
type loop struct {
	proxier *proxier
	options Options
	health  *health
	ready   func() error

	told  bool          // systemd knows that we are ready
	retry backoff.Pause // after a sync that failed
}

// run syncs at once, then whenever something changed, no two syncs closer
// together than MinSyncPeriod: the first change of a burst is applied immediately, the
// others together.
func (l *loop) run(ctx context.Context) {
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
		if next := l.once(ctx); next > 0 {
			again.Reset(next)
		}
		last = time.Now()
	}
}

// once syncs and says when to come back unasked; 0 is never.
func (l *loop) once(ctx context.Context) time.Duration {
	if err := l.proxier.sync(ctx); err != nil {
		if ctx.Err() != nil {
			return 0
		}
		next := l.retry.Next()
		slog.Error("bringing the rules up to date failed", "error", err, "retryIn", next.String())
		return next
	}
	l.retry.Reset()
	l.health.good()
	if !l.told {
		l.told = true
		slog.Info("Services are proxied", "node", l.options.Node, "services", len(l.proxier.parts))
		if err := l.ready(); err != nil {
			slog.Warn("readiness could not be reported", "error", err)
		}
	}
	if l.proxier.writer.sweep(ctx) {
		return staleAge
	}
	return 0
}

// verify mends what somebody else changed, such as `nft flush ruleset`.
func (l *loop) verify(ctx context.Context) {
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

// health answers /healthz: 200 while rules were brought up to date, or found
// to be, within the limit; else 503, as upstream's proxy does.
type health struct {
	server *http.Server
	last   atomic.Int64 // unix nanoseconds of the last success
	limit  time.Duration
}

func serveHealth(ctx context.Context, address string, limit time.Duration) (*health, error) {
	h := &health{limit: limit}
	h.last.Store(time.Now().UnixNano())
	if address == "" {
		return h, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for health checks on %s (is a proxy running already?): %w", address, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", h.answer)
	mux.HandleFunc("GET /livez", h.answer)
	h.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := h.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("answering health checks", "error", err)
		}
	}()
	return h, nil
}

func (h *health) good() { h.last.Store(time.Now().UnixNano()) }

func (h *health) answer(w http.ResponseWriter, _ *http.Request) {
	last := time.Unix(0, h.last.Load())
	code := http.StatusOK
	if time.Since(last) > h.limit {
		code = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if _, err := fmt.Fprintf(w, `{"lastUpdated": %q,"currentTime": %q}`+"\n", last.UTC().Format(time.RFC3339Nano), time.Now().UTC().Format(time.RFC3339Nano)); err != nil {
		slog.Debug("answering a health check", "error", err)
	}
}

func (h *health) close() {
	if h.server == nil {
		return
	}
	if err := h.server.Close(); err != nil {
		slog.Debug("closing the health port", "error", err)
	}
}
