package remote

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/internal/lang"
)

// redialTimeout is how long a machine that was lost may take to answer again.
const redialTimeout = 60 * time.Second

var errClosed = lang.Errorf("the connection was closed by this side", "이쪽에서 연결을 닫았습니다")

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
	ctx, cancel := context.WithTimeout(ctx, c.target.patient(redialTimeout))
	defer cancel()
	again := c.target
	again.Booting = true // that may be why
	if conn, err = connect(ctx, again); err != nil {
		return nil, lang.Errorf("the connection was lost: %w", "연결이 끊겼습니다: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = conn.Close()
		return nil, fmt.Errorf("%s: %w", c.target.Name, errClosed)
	}
	c.conn = conn
	go keepalive(conn, c.target.patient(keepaliveWithin))
	return conn, nil
}
