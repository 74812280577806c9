package dns

import (
	"context"
	"net"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// queryTime is how long one question may take. Between two lies pollPause, or
// pollRest times what the last one took, so that a slow machine has time for
// what is waited for.
const (
	queryTime = 2 * time.Second
	pollPause = 50 * time.Millisecond
	pollRest  = 3
)

// Dial opens a connection from somewhere in the cluster's network, as
// machine.Machine's method of that name does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Answering asks the DNS server at server (host:port) for a name until it
// answers, over TCP, so that a tunnelled connection will do. The name should
// be complete, such as kubernetes.default.svc.cluster.local. It returns the addresses, or
// an error saying what it waited for once ctx ends.
func Answering(ctx context.Context, dial Dial, server, name string) ([]string, error) {
	resolver := &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, "tcp", server)
		},
	}
	if name != "" && name[len(name)-1] != '.' {
		name += "." // no search list: the question is exactly this name
	}
	for {
		begun := time.Now()
		addresses, err := lookup(ctx, resolver, name)
		if err == nil {
			return addresses, nil
		}
		select {
		case <-ctx.Done():
			return nil, lang.Errorf("waiting for the cluster's DNS at %s to answer for %s: %w (last: %w)",
				"클러스터 DNS(%s)의 %s 응답 대기: %w (마지막: %w)", server, name, context.Cause(ctx), err)
		case <-time.After(min(max(pollPause, pollRest*time.Since(begun)), time.Second)):
		}
	}
}

func lookup(ctx context.Context, r *net.Resolver, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	return r.LookupHost(ctx, name)
}
