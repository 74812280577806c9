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
)

// proxyHealth answers /healthz (ProxyHealthServer in pkg/proxy/healthcheck/proxy_health.go):
// 200 while the rules were brought up to date, or found to be, within the limit; else 503.
// A load balancer outside of the cluster asks for it, before it sends connections to a
// node whose rules may be old.
type proxyHealth struct {
	server *http.Server
	last   atomic.Int64 // unix nanoseconds of the last success
	limit  time.Duration
}

// serveHealth answers at the address, or nowhere if it is empty.
func serveHealth(ctx context.Context, address string, limit time.Duration) (*proxyHealth, error) {
	h := &proxyHealth{limit: limit}
	h.last.Store(time.Now().UnixNano()) // it has as long for its first sync as for any other
	if address == "" {
		return h, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for health checks on %s (is a proxy running already?): %w", address, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", h.serveHTTP)
	mux.HandleFunc("GET /livez", h.serveHTTP)
	h.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := h.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("answering health checks", "error", err)
		}
	}()
	return h, nil
}

// updated notes that the rules are right now.
func (h *proxyHealth) updated() { h.last.Store(time.Now().UnixNano()) }

func (h *proxyHealth) serveHTTP(w http.ResponseWriter, _ *http.Request) {
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

func (h *proxyHealth) close() {
	if h.server == nil {
		return
	}
	if err := h.server.Close(); err != nil {
		slog.Debug("closing the health port", "error", err)
	}
}
