package openurl

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// Dial connects to an address in the testbed's network.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// dialTime is how long one connection into the testbed may take.
const dialTime = 10 * time.Second

// Local is the URL under which a listener forwards to a route.
func (r Route) Local(l net.Listener) string {
	scheme := r.Scheme
	if r.Host != "" {
		scheme = "http" // the forwarder speaks TLS to the far end by itself
	}
	return scheme + "://" + l.Addr().String() + r.Path
}

// Forward answers on a listener with what the route answers, until ctx ends. To a
// route with a host it goes request by request, asking for that host; to others,
// connection by connection. What goes wrong with one goes to report.
func Forward(ctx context.Context, l net.Listener, r Route, dial Dial, report func(error)) error {
	if r.Host != "" {
		return forwardRequests(ctx, l, r, dial, report)
	}
	return forwardConnections(ctx, l, r.Address, dial, report)
}

func forwardConnections(ctx context.Context, l net.Listener, address string, dial Dial, report func(error)) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		near, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return lang.Errorf("accepting connections: %w", "연결 받기: %w", err)
		}
		open.Go(func() {
			if err := carry(ctx, near, address, dial); err != nil {
				report(err)
			}
		})
	}
}

// carry connects two ends until both are done, or ctx is.
func carry(ctx context.Context, near net.Conn, address string, dial Dial) error {
	defer near.Close()
	connecting, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	far, err := dial(connecting, "tcp", address)
	if err != nil {
		return lang.Errorf("connecting to %s: %w", "%s에 연결: %w", address, err)
	}
	defer far.Close()
	stop := context.AfterFunc(ctx, func() {
		near.Close()
		far.Close()
	})
	defer stop()
	var both sync.WaitGroup
	pipe := func(to, from net.Conn) {
		// How a connection ends is between the two ends.
		_, _ = io.Copy(to, from)
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		} else {
			_ = to.Close()
		}
	}
	both.Go(func() { pipe(far, near) })
	both.Go(func() { pipe(near, far) })
	both.Wait()
	return nil
}

func forwardRequests(ctx context.Context, l net.Listener, r Route, dial Dial, report func(error)) error {
	far := &url.URL{Scheme: r.Scheme, Host: r.Host}
	local := "http://" + l.Addr().String()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(far)
			p.Out.Host = r.Host
		},
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) { return dial(ctx, network, r.Address) },
			// Whether the certificate is the right one is for the learner to see
			// with curl; in between, on this host, nobody can be asked.
			TLSClientConfig:       &tls.Config{ServerName: r.Host, InsecureSkipVerify: true},
			ResponseHeaderTimeout: time.Minute, MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second,
		},
		FlushInterval:  -1,
		ModifyResponse: func(answer *http.Response) error { stayHere(answer.Header, r.Host, local); return nil },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			report(lang.Errorf("asking %s for %s: %w", "%s에 %s 요청: %w", r.Address, r.Host, err))
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return lang.Errorf("answering requests: %w", "요청에 응답: %w", err)
	}
	return nil
}

// stayHere lets an answer lead back to the forwarder, where it names the host.
func stayHere(h http.Header, host, local string) {
	to := h.Get("Location")
	for _, scheme := range []string{"https://", "http://"} {
		rest, ok := strings.CutPrefix(to, scheme+host)
		if ok && (rest == "" || rest[0] == '/' || rest[0] == '?') {
			h.Set("Location", local+rest)
		}
	}
	// It would keep the browser from 127.0.0.1 by plain HTTP for a year.
	h.Del("Strict-Transport-Security")
}
