package dns

import (
	"context"
	"net"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

const (
	queryTime = 2 * time.Second       // for one question
	pollPause = 50 * time.Millisecond // between two, at the least
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
	var addresses []string
	what := lang.Textf("the cluster's DNS at %s to answer for %s", "클러스터 DNS(%s)의 %s 응답", server, name)
	err := wait.UntilResting(ctx, pollPause, what, func(ctx context.Context) (bool, string, error) {
		var err error
		if addresses, err = lookup(ctx, resolver, name); err != nil { // it may only be starting
			return false, err.Error(), nil
		}
		return true, "", nil
	})
	return addresses, err
}

func lookup(ctx context.Context, r *net.Resolver, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	return r.LookupHost(ctx, name)
}
