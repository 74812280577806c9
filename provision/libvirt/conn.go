package libvirt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"noriter.dev/noriter/provision/machine"
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
var errBroken = errors.New("libvirtd closed the connection in the middle of it")

// call makes one call; what names it in messages, as what is waited for.
func (c *conn) call(ctx context.Context, what string, f func(*golibvirt.Libvirt) error) error {
	return c.callFor(ctx, callTimeout, what, f)
}

// callFor is call with a time limit of its own.
func (c *conn) callFor(ctx context.Context, limit time.Duration, what string, f func(*golibvirt.Libvirt) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	if ctx.Err() != nil {
		return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
	}
	done := make(chan error, 1)
	go func() { done <- f(c.lv) }()
	select {
	case err := <-done:
		if errors.Is(err, golibvirt.ErrInterrupted) || errors.Is(err, syscall.EINVAL) { // EINVAL: the socket was closed before
			c.broken.Store(true)
			return fmt.Errorf("%s: %w", what, errBroken)
		}
		return err
	case <-ctx.Done():
		c.broken.Store(true)
		if nc := c.dialer.conn; nc != nil {
			_ = nc.Close() // the error that matters is the one returned
		}
		return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
	}
}

// ask is call for a call with a result.
func ask[T any](ctx context.Context, c *conn, what string, f func(*golibvirt.Libvirt) (T, error)) (T, error) {
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
	var e golibvirt.Error
	if errors.As(err, &e) { // the others say already what was being done
		return out, fmt.Errorf("%s: %w", what, err)
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
	if err := c.call(ctx, "the end of the connection", (*golibvirt.Libvirt).Disconnect); err != nil {
		return fmt.Errorf("closing the connection to libvirt: %w", err)
	}
	return nil
}

// isCode says whether an error is the one of libvirt that has this number.
func isCode(err error, code golibvirt.ErrorNumber) bool {
	var e golibvirt.Error
	return errors.As(err, &e) && e.Code == uint32(code)
}

// hasKVM says whether this libvirt offers kvm at all.
func (c *conn) hasKVM(ctx context.Context) (bool, error) {
	text, err := ask(ctx, c, "libvirt's capabilities", (*golibvirt.Libvirt).ConnectGetCapabilities)
	if err != nil {
		return false, err
	}
	var caps libvirtxml.Caps
	if err := caps.Unmarshal(text); err != nil {
		return false, fmt.Errorf("reading libvirt's capabilities: %w", err)
	}
	emulator := false
	for _, g := range caps.Guests {
		if g.OSType != "hvm" || g.Arch.Name != "x86_64" {
			continue
		}
		emulator = true
		for _, d := range g.Arch.Domains {
			if d.Type == "kvm" {
				return true, nil
			}
		}
	}
	if !emulator {
		return false, &machine.HostError{What: c.target.String() + " has no QEMU for x86_64", Remedy: "apt-get install qemu-system-x86"}
	}
	return false, nil
}

// hostError turns what libvirt says of a lack of the host into a HostError.
func hostError(err error) error {
	var e golibvirt.Error
	if !errors.As(err, &e) {
		return err
	}
	for _, known := range []struct{ text, what, remedy string }{
		{"Cannot find 'dnsmasq'", "libvirt finds no dnsmasq for its network", "apt-get install dnsmasq-base"},
		{"is already in use by interface", "the testbed's subnet is taken on this host", "nori doctor"},
		{"already in use by interface", "the testbed's subnet is taken on this host", "nori doctor"},
		{"Cannot allocate memory", "the host has too little free memory for the machine", "nori up --nodes 1   # or end other programs"},
		{"cannot set up guest memory", "the host has too little free memory for the machine", "nori up --nodes 1   # or end other programs"},
		{"No space left on device", "the disk is full", "df -h"},
		{"Could not access KVM kernel module", "KVM does not work here", "nori doctor"},
	} {
		if strings.Contains(e.Message, known.text) {
			return &machine.HostError{What: known.what, Remedy: known.remedy, Err: err}
		}
	}
	return err
}
