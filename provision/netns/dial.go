package netns

import (
	"context"
	"net"
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
