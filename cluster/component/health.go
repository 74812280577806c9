package component

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Health answers /healthz, /livez and /readyz on a local port.
type Health struct {
	listener net.Listener
	server   *http.Server
}

// ServeHealth listens on address ("127.0.0.1:10259"; "" for none) at once and
// answers until Close. A second process of the same component on the same machine
// fails here, which Election.Run relies on. The three paths give the same answer: a
// component that waits to lead is as healthy as one that leads.
func ServeHealth(ctx context.Context, address string) (*Health, error) {
	if address == "" {
		return &Health{}, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for health checks on %s (is this component running already?): %w", address, err)
	}
	mux := http.NewServeMux()
	for _, path := range []string{"/healthz", "/livez", "/readyz"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			if _, err := w.Write([]byte("ok")); err != nil {
				slog.Debug("answering a health check", "error", err)
			}
		})
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("serving health checks", "address", address, "error", err)
		}
	}()
	return &Health{listener: listener, server: server}, nil
}

// exclusive is true if no second process on this machine can be serving the same
// fixed port.
func (h *Health) exclusive() bool { return h.listener != nil }

// Close stops answering and frees the port.
func (h *Health) Close() error {
	if h.server == nil {
		return nil
	}
	return h.server.Close()
}
