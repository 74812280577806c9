package remote

import (
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/internal/lang"
)

// maxSessions stays under sshd's MaxSessions of the node image.
const maxSessions = 64

// openTimeout is how long a machine may take to open a channel on a
// connection that is there.
const openTimeout = 20 * time.Second

// open opens a channel on the connection with f, which can't be cancelled by
// itself. If the connection turns out to be dead, it is made anew, once:
// nothing was sent yet, so nothing happens twice.
func open[T interface{ Close() error }](ctx context.Context, c *Client, f func(*ssh.Client) (T, error)) (T, error) {
	var zero T
	conn, err := c.current()
	if err != nil {
		return zero, err
	}
	limit := c.target.patient(openTimeout)
	v, err := openOn(ctx, conn, limit, f)
	var refused *ssh.OpenChannelError
	if err == nil || ctx.Err() != nil || errors.As(err, &refused) {
		return v, err // a refusal shows that the connection lives
	}
	if conn, err = c.reconnect(ctx, conn); err != nil {
		return zero, err
	}
	return openOn(ctx, conn, limit, f)
}

func openOn[T interface{ Close() error }](ctx context.Context, conn *ssh.Client, limit time.Duration, f func(*ssh.Client) (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f(conn)
		done <- result{v, err}
	}()
	// Whoever gives up leaves nothing open behind.
	abandon := func() {
		go func() {
			if r := <-done; r.err == nil {
				_ = r.v.Close()
			}
		}()
	}
	var zero T
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		abandon()
		return zero, ctx.Err()
	case <-timer.C:
		abandon()
		return zero, lang.Errorf("no channel within %s", "%s 안에 채널이 열리지 않았습니다", limit)
	}
}

// session opens a session and gives the function that ends it.
func (c *Client) session(ctx context.Context) (*ssh.Session, func(), error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, lang.Errorf("%s: waiting for one of %d sessions: %w",
			"%s: 세션 %d개 가운데 하나가 비기를 기다림: %w", c.target.Name, maxSessions, ctx.Err())
	}
	s, err := open(ctx, c, func(conn *ssh.Client) (*ssh.Session, error) { return conn.NewSession() })
	if err != nil {
		<-c.slots
		return nil, nil, lang.Errorf("opening a session on %s: %w", "%s에서 세션 열기: %w", c.target.Name, err)
	}
	return s, func() {
		_ = s.Close() // it may be closed by the other side already
		<-c.slots
	}, nil
}

// Dial connects from the machine: "tcp" with a host and port, or "unix" with
// the path of a socket.
func (c *Client) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := open(ctx, c, func(conn *ssh.Client) (net.Conn, error) { return conn.DialContext(ctx, network, address) })
	if err != nil {
		return nil, lang.Errorf("connecting to %s from %s: %w", "%[2]s에서 %[1]s에 연결: %[3]w", address, c.target.Name, err)
	}
	return conn, nil
}
