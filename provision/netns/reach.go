package netns

import (
	"context"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Dial connects to an address, which must be a literal one, from inside the
// namespace of a testbed, by a process that is outside and stays there.
func Dial(ctx context.Context, name, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := Do(name, func() error {
		// To a single literal address Go connects on the thread that asks.
		var err error
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// ListenOutside listens on the host's network, even by a process that is inside
// the namespace of a testbed, as one started by `nori shell` is.
func ListenOutside(ctx context.Context, network, address string) (net.Listener, error) {
	if _, inside := Current(); !inside {
		return (&net.ListenConfig{}).Listen(ctx, network, address)
	}
	host, err := os.Open("/proc/1/ns/net")
	if err != nil {
		return nil, fmt.Errorf("opening the host's network namespace: %w", err)
	}
	defer host.Close()
	var l net.Listener
	err = onThread(func() error {
		if err := unix.Setns(int(host.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering the host's network namespace: %w", err)
		}
		l, err = (&net.ListenConfig{}).Listen(ctx, network, address)
		return err
	})
	return l, err
}
