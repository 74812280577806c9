package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"
)

// keepalive closes a connection whose machine doesn't answer any more, so
// that what waits on it fails instead of hanging.
func keepalive(conn *ssh.Client) {
	ended := make(chan struct{})
	go func() {
		_ = conn.Wait()
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return
		case <-time.After(keepaliveEvery):
		}
		answered := make(chan error, 1)
		go func() {
			_, _, err := conn.SendRequest("keepalive@openssh.com", true, nil)
			answered <- err
		}()
		select {
		case <-ended:
			return
		case <-answered:
		case <-time.After(keepaliveWithin):
			_ = conn.Close()
			return
		}
	}
}

var errClosed = errors.New("the connection was closed by this side")

// current gives the connection.
func (c *Client) current() (*ssh.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, fmt.Errorf("%s: %w", c.target.Name, errClosed)
	}
	return c.conn, nil
}

// reconnect replaces the connection dead; where another did that already, its
// new one is taken.
func (c *Client) reconnect(ctx context.Context, dead *ssh.Client) (*ssh.Client, error) {
	c.redial.Lock()
	defer c.redial.Unlock()
	conn, err := c.current()
	if err != nil || conn != dead {
		return conn, err
	}
	_ = dead.Close()
	ctx, cancel := context.WithTimeout(ctx, redialTimeout)
	defer cancel()
	if conn, err = connect(ctx, c.target); err != nil {
		return nil, fmt.Errorf("the connection was lost: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = conn.Close()
		return nil, fmt.Errorf("%s: %w", c.target.Name, errClosed)
	}
	c.conn = conn
	go keepalive(conn)
	return conn, nil
}
