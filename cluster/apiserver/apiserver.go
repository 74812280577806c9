// Package apiserver is the cluster's API server, assembled from Kubernetes'
// own libraries: every object, default, validation, printed column and error
// text is upstream's. What is ours is the assembly, which is meant to be read:
//
//	serving → clients → storage → who are you (authentication) →
//	may you (authorization) → what happened (audit) → what is there (openapi) →
//	shall it be so (admission) → the three servers
//
// The three servers hand a request on to each other: the aggregator takes it
// first and looks whether another server serves the group; then come the
// groups of Kubernetes itself; then custom resources; then "not found".
//
// It follows cmd/kube-apiserver/app/server.go of Kubernetes 1.37 and leaves
// out what a learner has no use for: priority and fairness, alpha and beta
// groups, coordinated leader election, peers of other versions, egress proxies.
//
// It is the only package that reads and writes etcd.
package apiserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"k8s.io/client-go/rest"

	"noriter.dev/noriter/cluster/component"
)

const (
	// readyTimeout is how long the server may take until /readyz, including
	// the wait for etcd. On an emulated CPU it is a matter of ten seconds.
	readyTimeout = 3 * time.Minute
	// readyPoll is how often /readyz is asked until then.
	readyPoll = 50 * time.Millisecond
	// stopTimeout is how long running requests may take at the end.
	stopTimeout = 1500 * time.Millisecond
	// hangUpTimeout is how long clients may take to hang up after that.
	hangUpTimeout = 100 * time.Millisecond
)

// Run serves until ctx is done, or returns the error that ended the server. It
// tells systemd when /readyz is ok.
func Run(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("apiserver: %w", err)
	}
	quietLibraries(o.Verbosity)
	wakeCollector := restCollector()
	s, err := Start(ctx, o)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.WaitReady(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before it was up
		}
		return err
	}
	slog.Info("the API server is ready", "url", s.Loopback().Host, "after", time.Since(s.began).Round(time.Millisecond))
	if err := component.NotifyReady(); err != nil {
		return fmt.Errorf("apiserver: %w", err)
	}
	wakeCollector()
	select {
	case <-ctx.Done():
		slog.Info("the API server stops", "why", context.Cause(ctx))
		return nil
	case <-s.done:
		return s.err
	}
}

// Collecting garbage is half of the work of starting, since almost all that is
// made then stays. So the collector rests until the server is ready; afterwards
// it trades some of its time for memory, of which a machine of a testbed has
// little, unless $GOGC says otherwise.
const (
	collectAtStart = 400
	collectLater   = 50
)

// restCollector lets the collector rest until the function is called that is
// returned.
func restCollector() (wake func()) {
	configured := debug.SetGCPercent(collectAtStart)
	if os.Getenv("GOGC") == "" {
		configured = collectLater
	}
	return func() {
		debug.SetGCPercent(configured)
		debug.FreeOSMemory() // what start-up needed is not needed again
	}
}

// Server is a running API server.
type Server struct {
	began    time.Time
	address  string
	loopback *rest.Config
	cancel   context.CancelFunc
	// done is closed when the server has ended, for the reason in err.
	done chan struct{}
	err  error
	// drained is closed when the last request was answered while stopping.
	drained <-chan struct{}
}

// Start assembles the server and starts it; see WaitReady.
func Start(ctx context.Context, o Options) (*Server, error) {
	began := time.Now()
	o.setDefaults()
	a := &assembly{options: o}
	chain, err := a.assemble()
	if err != nil {
		return nil, fmt.Errorf("apiserver: %w", err)
	}
	prepared, err := chain.PrepareRun()
	if err != nil {
		return nil, fmt.Errorf("apiserver: preparing: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Server{
		began:    began,
		address:  a.config.SecureServing.Listener.Addr().String(),
		loopback: a.config.LoopbackClientConfig,
		cancel:   cancel,
		done:     make(chan struct{}),
		drained:  a.config.DrainedNotify(),
	}
	go func() {
		defer close(s.done)
		if err := prepared.Run(ctx); err != nil {
			s.err = fmt.Errorf("apiserver: serving: %w", err)
		} else if ctx.Err() == nil {
			s.err = errors.New("apiserver: the server stopped by itself; the log above says why")
		}
	}()
	return s, nil
}

// Loopback is a configuration for clients in this process, with all rights.
func (s *Server) Loopback() *rest.Config { return rest.CopyConfig(s.loopback) }

// Address is the address and port that the server listens on.
func (s *Server) Address() string { return s.address }

// WaitReady returns when /readyz is ok: etcd answers, every hook after start
// has run, and every cache is filled.
func (s *Server) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	cfg := s.Loopback()
	cfg.QPS = -1
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return fmt.Errorf("apiserver: making a client for /readyz: %w", err)
	}
	last := "no answer yet"
	for ticker := time.NewTicker(readyPoll); ; {
		select {
		case <-s.done:
			return s.err
		case <-ctx.Done():
			return fmt.Errorf("apiserver: not ready (%w); /readyz said: %s", ctx.Err(), last)
		case <-ticker.C:
		}
		ok, answer := askReady(ctx, client, cfg.Host)
		if ok {
			return nil
		}
		last = answer
	}
}

// Close ends the server: no new requests are taken, running ones may finish
// within stopTimeout. Every write that was answered is in etcd, and every line
// of the audit log on disk.
func (s *Server) Close() {
	s.cancel()
	select {
	case <-s.drained:
	case <-s.done:
	case <-time.After(stopTimeout):
	}
	// The rest is courtesy to clients that keep connections open: HTTP/2 gives
	// them a second to notice, and a stopped process tells them as well.
	select {
	case <-s.done:
	case <-time.After(hangUpTimeout):
	}
}

// askReady asks /readyz once.
func askReady(ctx context.Context, client *http.Client, host string) (bool, string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, host+"/readyz", nil)
	if err != nil {
		return false, err.Error()
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, err.Error()
	}
	defer resp.Body.Close()
	body := make([]byte, 8<<10)
	n, _ := resp.Body.Read(body) // an explanation, complete or not
	return resp.StatusCode == http.StatusOK, string(body[:n])
}
