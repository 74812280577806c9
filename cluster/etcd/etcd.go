// Package etcd runs the store of the cluster: an etcd server as a library, in
// a process of its own, with one member that is served on loopback to clients
// with a certificate of etcd's own authority.
//
// The API server is its only client. Whoever reads etcd reads the cluster
// without asking the API server's permission, so the door is kept narrow.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"noriter.dev/noriter/cluster/component"
)

const (
	// heartbeat and election are short because the only member needs nobody's
	// vote: it leads one election time-out after its start, and no heartbeat
	// of another can be late. Upstream's 100 ms and 1 s are for networks.
	// Shorter ones yet would start sooner and then burn an idle, emulated CPU
	// with nothing but ticks.
	heartbeatMillis, electionMillis = 50, 250
	// startTimeout covers replaying the log on a slow, emulated disk, and
	// waiting for a predecessor to let go of the database file.
	startTimeout = 90 * time.Second
	// stopTimeout is how long clients may take to hang up.
	stopTimeout = 500 * time.Millisecond
	// snapshotCount is how many log entries are kept in memory between
	// snapshots; upstream's 10,000 serve members that lag behind.
	snapshotCount = 5000
)

// Server is a running etcd.
type Server struct {
	etcd *embed.Etcd
	// level is the logger's.
	level zap.AtomicLevel
	// stopped is closed when the embedded server has closed its listeners.
	stopped chan struct{}
}

// Run serves until ctx is done, or returns the error that ended etcd. It tells
// systemd when the first request can be answered.
func Run(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	if os.Getenv("GOGC") == "" {
		// The database is mapped, not on the heap; what is there is small
		// and short-lived, so memory is worth more than the collector's time.
		debug.SetGCPercent(50)
	}
	s, err := Start(ctx, o)
	if err != nil {
		return err
	}
	defer s.Close()
	slog.Info("etcd serves", "clients", o.ClientURL, "data", o.DataDir)
	if err := component.NotifyReady(); err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	select {
	case <-ctx.Done():
		slog.Info("etcd stops", "why", context.Cause(ctx))
		return nil
	case err := <-s.etcd.Err():
		return fmt.Errorf("etcd: serving: %w", err)
	case <-s.etcd.Server.StopNotify():
		return errors.New("etcd: the server stopped by itself; the log above says why")
	}
}

// Start starts a server and returns when it answers.
func Start(ctx context.Context, o Options) (*Server, error) {
	o.setDefaults()
	level := zap.NewAtomicLevelAt(zap.WarnLevel)
	cfg, err := o.config(level)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("etcd: making the data folder: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout,
		fmt.Errorf("not ready after %s (is another etcd using %s?)", startTimeout, o.DataDir))
	defer cancel()
	type result struct {
		etcd *embed.Etcd
		err  error
	}
	started := make(chan result, 1)
	go func() { // opening the database may wait for its lock without end
		e, err := embed.StartEtcd(cfg)
		started <- result{e, err}
	}()
	var r result
	select {
	case r = <-started:
	case <-ctx.Done():
		go func() { // should the lock come after all
			if late := <-started; late.etcd != nil {
				late.etcd.Close()
			}
		}()
		return nil, fmt.Errorf("etcd: opening %s: %w", o.DataDir, context.Cause(ctx))
	}
	if r.err != nil {
		return nil, fmt.Errorf("etcd: starting: %w", r.err)
	}
	s := &Server{etcd: r.etcd, level: level, stopped: make(chan struct{})}
	select {
	case <-s.etcd.Server.ReadyNotify():
		return s, nil
	case err := <-s.etcd.Err():
		s.Close()
		return nil, fmt.Errorf("etcd: starting: %w", err)
	case <-ctx.Done():
		s.Close()
		return nil, fmt.Errorf("etcd: electing itself: %w", context.Cause(ctx))
	}
}

// Close stops the server. The data is safe on disk when it returns; clients
// that don't hang up are given stopTimeout.
func (s *Server) Close() {
	// etcd logs an error for each listener that it closes itself.
	s.level.SetLevel(zap.FatalLevel)
	go func() {
		defer close(s.stopped)
		s.etcd.Close() // waits for clients' watches, then stops the server
	}()
	select {
	case <-s.stopped:
	case <-time.After(stopTimeout):
		s.etcd.Server.Stop() // the raft node and the database, in order
	}
}

// config turns the options into etcd's configuration.
func (o *Options) config(level zap.AtomicLevel) (*embed.Config, error) {
	client, err := parseURL("listen-client-urls", o.ClientURL, "https")
	if err != nil {
		return nil, err
	}
	peer, err := parseURL("listen-peer-urls", o.PeerURL, "https")
	if err != nil {
		return nil, err
	}
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = o.Name, o.DataDir
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = o.Name + "=" + peer.String()
	if o.MetricsURL != "" {
		metrics, err := parseURL("listen-metrics-urls", o.MetricsURL, "http")
		if err != nil {
			return nil, err
		}
		cfg.ListenMetricsUrls = []url.URL{metrics}
	}
	tls := transport.TLSInfo{
		CertFile: o.CertFile, KeyFile: o.KeyFile, TrustedCAFile: o.TrustedCAFile, ClientCertAuth: true,
	}
	cfg.ClientTLSInfo, cfg.PeerTLSInfo = tls, tls
	cfg.TickMs, cfg.ElectionMs = o.Heartbeat, o.Election
	cfg.SnapshotCount, cfg.SnapshotCatchUpEntries = snapshotCount, snapshotCount/2
	cfg.QuotaBackendBytes = o.QuotaBytes
	cfg.BackendFreelistType = "map"
	cfg.UnsafeNoFsync = o.UnsafeNoFsync
	// The gateway speaks JSON over HTTP; the API server speaks gRPC.
	cfg.EnableGRPCGateway = false
	logger, err := newLogger(level)
	if err != nil {
		return nil, err
	}
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger)
	return cfg, nil
}

// newLogger is etcd's logger: JSON on standard error from a level on,
// without the stack traces, which etcd adds to each error.
func newLogger(level zap.AtomicLevel) (*zap.Logger, error) {
	c := zap.NewProductionConfig()
	c.Level = level
	c.EncoderConfig.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	c.DisableStacktrace = true
	logger, err := c.Build()
	if err != nil {
		return nil, fmt.Errorf("making the logger: %w", err)
	}
	return logger, nil
}
