// Command hello is the small web program that the labs deploy. Every answer
// says which pod and which node gave it, so that balancing, rollouts and failing probes
// can be watched with nothing but curl.
//
// Its environment:
//
//	PORT         where it listens (8080)
//	POD_NAME     who answers (the host name, which in a pod is the pod's name)
//	POD_IP, POD_NAMESPACE, NODE_NAME   shown when set, as by the downward API
//	VERSION      shown in every answer (set in the image: v1, v2)
//	COLOR        background of the page for browsers
//	MESSAGE      the greeting ("Hello")
//	START_DELAY  how long it waits before it listens, e.g. 5s
//	READY_DELAY  how long /readyz answers 503 after that
//	STOP_DELAY   how long it keeps serving after SIGTERM
//
// Its paths: / answers in text, as JSON with ?format=json or "Accept:
// application/json", as a page for browsers; /healthz and /readyz are for probes, and
// POST /healthz/fail, /healthz/ok, /readyz/fail and /readyz/ok flip what they answer;
// /env shows the environment without secrets' values; /delay/DURATION answers late;
// /status/CODE answers with that code; POST /exit/CODE ends the process;
// /metrics counts requests.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// drainTime is how long requests under way may take after the last connection
// was accepted; with STOP_DELAY it must stay below the pod's grace period (30 s).
const drainTime = 5 * time.Second

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

func run() error {
	c, err := readConfig(os.Getenv)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	if !pause(ctx, c.startDelay) {
		return nil
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("", c.port))
	if err != nil {
		return fmt.Errorf("listening on port %s (set PORT to another): %w", c.port, err)
	}
	app := newApp(c, os.Stdout)
	app.log("version %s of hello listens on port %s as %s on node %s", c.version, c.port, c.pod, orUnknown(c.node))
	return serve(ctx, app, listener)
}

// serve answers until ctx ends, then goes the way a well-behaved pod goes: not
// ready any more, still serving for STOP_DELAY while the proxies forget it, then
// closed for new requests, and gone when the last one under way is answered.
func serve(ctx context.Context, app *app, listener net.Listener) error {
	server := &http.Server{Handler: app, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()

	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case code := <-app.exit:
		app.log("asked to exit with code %d", code)
		pause(ctx, 100*time.Millisecond) // lets the answer to the request reach its client
		os.Exit(code)
	case <-ctx.Done():
	}
	app.stopping.Store(true)
	app.log("told to stop: serving for another %s", app.config.stopDelay)
	pause(context.Background(), app.config.stopDelay)
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := server.Shutdown(drain); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("stopping with requests under way: %w", err)
	}
	app.log("stopped after %d requests", app.requests.Load())
	return nil
}

// pause waits; it reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return d <= 0
	case <-time.After(d):
		return true
	}
}
