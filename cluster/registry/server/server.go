// Package server is the testbed's private registry, a process on the control
// node: the library distribution twice, once over HTTP for everybody, once over
// HTTPS for those who know a password. The two share nothing but the process,
// so that what is in one can't be had through the other.
//
// Pushing needs the account of the installing host (guard.go), and there is a limit
// to what both hold (quota.go).
//
// It is here so that pulls can fail, and be mended, in all the ways in which
// they do elsewhere. Nothing of the cluster itself depends on it.
package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd" // registers itself
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // likewise
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"noriter.dev/noriter/cluster/component"
)

const (
	// headerTimeout ends connections that never ask for anything.
	headerTimeout = 30 * time.Second
	// stopTimeout is how long running transfers may take to end.
	stopTimeout = 3 * time.Second
	// maxEntries is how many repositories one answer lists.
	maxEntries = 1000
)

// Run serves until ctx is done. It tells systemd when both addresses answer.
func Run(ctx context.Context, o Options) error {
	logrus.SetLevel(logrus.FatalLevel) // requests are logged here, one line each
	writer, err := readWriter(o.WriterFile)
	if err != nil {
		return fmt.Errorf("registry: reading the account that may push: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	room := &quota{dir: o.DataDir, limit: o.Quota}
	var dirs []string
	for _, r := range []struct {
		name, address string
		private       bool
	}{{"open", o.OpenAddress, false}, {"private", o.PrivateAddress, true}} {
		dir := filepath.Join(o.DataDir, r.name)
		dirs = append(dirs, dir)
		library, err := newHandler(ctx, dir, o.HtpasswdFile, r.private)
		if err != nil {
			return fmt.Errorf("registry %s: %w", r.name, err)
		}
		handler := &guard{next: library, private: r.private, writer: writer, quota: room, dir: dir}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.address)
		if err != nil {
			return fmt.Errorf("registry %s: %w", r.name, err)
		}
		s := &http.Server{Handler: logged(r.name, handler), ReadHeaderTimeout: headerTimeout,
			ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelInfo)}
		g.Go(func() error {
			serve := s.Serve
			if r.private {
				serve = func(l net.Listener) error { return s.ServeTLS(l, o.CertFile, o.KeyFile) }
			}
			if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("registry %s: serving %s: %w", r.name, r.address, err)
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
			defer cancel()
			if err := s.Shutdown(stop); err == nil {
				return nil
			}
			// A client that holds its connection open must not turn a stop into a failure.
			return s.Close()
		})
		slog.Info("registry serves", "which", r.name, "address", r.address, "https", r.private)
	}
	g.Go(func() error { purgeUploads(ctx, dirs); return nil })
	if err := component.NotifyReady(); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	return g.Wait()
}

// newHandler is one registry on a folder.
func newHandler(ctx context.Context, dir, htpasswd string, private bool) (h http.Handler, err error) {
	defer func() { // the library panics on what it can't be configured with
		if p := recover(); p != nil {
			err = fmt.Errorf("setting it up: %v", p)
		}
	}()
	secret := make([]byte, 16) // signs the state of uploads; none outlives the process
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	c := &configuration.Configuration{Version: "0.1", Storage: configuration.Storage{
		"filesystem":  {"rootdirectory": dir},
		"delete":      {"enabled": true},
		"maintenance": {"uploadpurging": map[any]any{"enabled": false}},
	}}
	c.Catalog.MaxEntries = maxEntries
	c.HTTP.Secret = hex.EncodeToString(secret)
	if private {
		c.Auth = configuration.Auth{"htpasswd": {"realm": "Noriter's private registry", "path": htpasswd}}
	}
	return handlers.NewApp(ctx, c), nil
}

// logged writes a line per request: from here one sees what a node really asked for.
func logged(which string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		seen := &recorder{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(seen, r)
		user, _, _ := r.BasicAuth()
		slog.Info("request", "registry", which, "method", r.Method, "path", r.URL.Path, "status", seen.code,
			"from", r.RemoteAddr, "user", user, "took", time.Since(begun).Round(time.Microsecond))
	})
}

// recorder keeps the status code for the log.
type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap lets the server flush and copy through the recorder.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
