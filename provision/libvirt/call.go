package libvirt

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

// conn is an open connection. libvirt's calls know no context: each runs on a
// goroutine of its own, and one that outlives its context or its time limit
// is ended by closing the connection under it.
type conn struct {
	lv     *golibvirt.Libvirt
	target target
	dialer *dialer
	// broken is set as soon as a call finds it out, which is before the
	// client's own reader does.
	broken atomic.Bool
}

// errBroken is a libvirtd that went away during a call.
var errBroken = lang.Errorf("libvirtd closed the connection in the middle of it", "libvirtd가 도중에 연결을 닫았습니다")

// callTimeout is how long libvirt may take for a call.
const callTimeout = 60 * time.Second

// call makes one call; what names it in messages, as in "starting domain X".
func (c *conn) call(ctx context.Context, what lang.Text, f func(*golibvirt.Libvirt) error) error {
	return c.callFor(ctx, callTimeout, what, f)
}

// callFor is call with a time limit of its own.
func (c *conn) callFor(ctx context.Context, limit time.Duration, what lang.Text, f func(*golibvirt.Libvirt) error) error {
	busy := lang.Textf("libvirt, busy %s", "libvirt의 작업: %s", what)
	err := wait.During(ctx, busy, nil, func(ctx context.Context) error { return c.do(ctx, limit, f) })
	if err != nil {
		return lang.Errorf("%s: %w", "%s: %w", what, err)
	}
	return nil
}

// do runs f until it returns, but no longer than limit.
func (c *conn) do(ctx context.Context, limit time.Duration, f func(*golibvirt.Libvirt) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, lang.Errorf("no answer within %s", "%s 안에 응답이 없습니다", limit))
	defer cancel()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	done := make(chan error, 1)
	go func() { done <- f(c.lv) }()
	select {
	case err := <-done:
		if errors.Is(err, golibvirt.ErrInterrupted) || errors.Is(err, syscall.EINVAL) { // EINVAL: the socket was closed before
			c.broken.Store(true)
			return errBroken
		}
		return err
	case <-ctx.Done():
		c.broken.Store(true)
		if nc := c.dialer.conn; nc != nil {
			_ = nc.Close() // the error that matters is the one returned
		}
		return context.Cause(ctx)
	}
}

// ask is call for a call with a result.
func ask[T any](ctx context.Context, c *conn, what lang.Text, f func(*golibvirt.Libvirt) (T, error)) (T, error) {
	var out T
	got := make(chan T, 1)
	err := c.call(ctx, what, func(lv *golibvirt.Libvirt) error {
		v, err := f(lv)
		got <- v
		return err
	})
	select {
	case out = <-got:
	default: // it never came back
	}
	return out, err
}

// alive says whether the connection still stands.
func (c *conn) alive() bool { return !c.broken.Load() && c.lv.IsConnected() }

// close says goodbye and closes.
func (c *conn) close() error {
	if !c.alive() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return c.call(ctx, lang.Text{EN: "closing the connection to libvirt", KO: "libvirt 연결 닫기"}, (*golibvirt.Libvirt).Disconnect)
}

// isCode says whether an error is the one of libvirt that has this number.
func isCode(err error, code golibvirt.ErrorNumber) bool {
	var e golibvirt.Error
	return errors.As(err, &e) && e.Code == uint32(code)
}
