// Package remote is a machine over SSH and SFTP. The machine's host key is
// known beforehand, so even the first connection is checked strictly.
//
//	Dial waits for the machine → Run, Upload, Dial, Shell … → Close
//
// One connection carries any number of commands at once. If it is found dead
// before a command was sent (the machine rebooted), it is made anew, once.
package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/provision/machine"
)

// Target says which machine to reach and how.
type Target struct {
	// Name is the machine's name, for messages.
	Name    string
	Address netip.Addr
	// Port is 22 if 0.
	Port int
	// User is root if empty.
	User   string
	Signer ssh.Signer
	// HostKey is the only one accepted.
	HostKey ssh.PublicKey
	// Via makes the connection where the machine can't be reached directly;
	// nil is this host's own network.
	Via Dialer
	// Compress sends large files through zstd. It pays where the machine is
	// emulated, and costs where it is as fast as this host.
	Compress bool
	// Parcel is where the machine may have a disk mounted with files it is going
	// to be sent (machine.ParcelDir); empty means that it has none.
	Parcel string
}

func (t Target) address() string {
	port := t.Port
	if port == 0 {
		port = 22
	}
	return net.JoinHostPort(t.Address.String(), strconv.Itoa(port))
}

// HostKeyError is a machine that showed another host key than the one it was
// given: the address belongs to someone else, or the machine was replaced.
type HostKeyError struct {
	Machine, Address string
	// Want and Got are SHA-256 fingerprints.
	Want, Got string
}

// Error says which key was expected and which came.
func (e *HostKeyError) Error() string {
	return fmt.Sprintf("%s (%s) showed the host key %s, but it was given %s: another machine answers at this address", e.Machine, e.Address, e.Got, e.Want)
}

// AuthError is a machine that refuses our key.
type AuthError struct {
	Machine, Address string
	Err              error
}

// Error says who refused.
func (e *AuthError) Error() string {
	return fmt.Sprintf("%s (%s) refuses the testbed's SSH key: %v", e.Machine, e.Address, e.Err)
}

// Unwrap gives the cause.
func (e *AuthError) Unwrap() error { return e.Err }

const (
	connectTimeout   = time.Second
	connectPause     = 150 * time.Millisecond
	handshakeTimeout = 30 * time.Second // an emulated machine takes seconds for it
	// authPatience is how long a refused key may be tried again: a machine
	// that boots may answer before the key is in place.
	authPatience    = 5 * time.Second
	redialTimeout   = 60 * time.Second
	keepaliveEvery  = 10 * time.Second
	keepaliveWithin = 30 * time.Second
	// maxSessions stays under sshd's MaxSessions of the node image.
	maxSessions = 64
)

// Client is a connected machine.
type Client struct {
	target Target
	slots  chan struct{}

	mu     sync.Mutex // guards conn, files and closed; not held while waiting
	conn   *ssh.Client
	closed bool
	redial sync.Mutex // one at a time makes the connection anew
}

var _ machine.Machine = (*Client)(nil)

// Dial waits until the machine answers and lets us in, or ctx ends. Without a
// deadline of its own it gives up after ten minutes. A wrong host key is a
// *HostKeyError and ends the wait at once.
func Dial(ctx context.Context, t Target) (*Client, error) {
	if t.User == "" {
		t.User = "root"
	}
	if t.Signer == nil || t.HostKey == nil || !t.Address.IsValid() {
		return nil, fmt.Errorf("connecting to %s: a key, a host key and an address are needed", t.Name)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 10*time.Minute)
		defer cancel()
	}
	conn, err := connect(ctx, t)
	if err != nil {
		return nil, err
	}
	c := &Client{target: t, conn: conn, slots: make(chan struct{}, maxSessions)}
	go keepalive(conn)
	return c, nil
}

// Name is the machine's name.
func (c *Client) Name() string { return c.target.Name }

// Address is the machine's address.
func (c *Client) Address() netip.Addr { return c.target.Address }

// Close ends the connection; commands that run on it fail.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if err := c.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("closing the connection to %s: %w", c.target.Name, err)
	}
	return nil
}

// connect tries until ctx ends. Each try is short: a SYN sent before the
// machine has its address would be repeated only after long pauses.
func connect(ctx context.Context, t Target) (*ssh.Client, error) {
	start := time.Now()
	var last error
	var refusedSince time.Time
	for {
		conn, err := connectOnce(ctx, t)
		if err == nil {
			return conn, nil
		}
		var wrongKey *HostKeyError
		if errors.As(err, &wrongKey) {
			return nil, err
		}
		var auth *AuthError
		switch {
		case !errors.As(err, &auth):
			refusedSince = time.Time{}
		case refusedSince.IsZero():
			refusedSince = time.Now()
		case time.Since(refusedSince) > authPatience:
			return nil, err
		}
		// A try that our own limit cut short tells nothing of the machine.
		if deadline, ok := ctx.Deadline(); last == nil || ctx.Err() == nil && (!ok || time.Now().Before(deadline)) {
			last = err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waited %s for %s to answer SSH at %s: %w (last: %w)",
				time.Since(start).Round(100*time.Millisecond), t.Name, t.address(), ctx.Err(), last)
		case <-time.After(connectPause):
		}
	}
}

func connectOnce(ctx context.Context, t Target) (*ssh.Client, error) {
	via := t.Via
	if via == nil {
		via = (&net.Dialer{Timeout: connectTimeout}).DialContext
	}
	raw, err := via(ctx, "tcp", t.address())
	if err != nil {
		return nil, err
	}
	// The handshake knows no context: its end closes the connection.
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	if err := raw.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		_ = raw.Close()
		return nil, err
	}
	var wrongKey *HostKeyError
	var keyAccepted bool
	config := &ssh.ClientConfig{
		User:              t.User,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(t.Signer)},
		HostKeyAlgorithms: []string{t.HostKey.Type()},
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if string(key.Marshal()) == string(t.HostKey.Marshal()) {
				keyAccepted = true
				return nil
			}
			wrongKey = &HostKeyError{Machine: t.Name, Address: t.address(),
				Want: ssh.FingerprintSHA256(t.HostKey), Got: ssh.FingerprintSHA256(key)}
			return wrongKey
		},
	}
	// The fastest of the safe ones where the processor has AES.
	config.Ciphers = []string{"aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr"}
	config.KeyExchanges = []string{"curve25519-sha256", "curve25519-sha256@libssh.org", "mlkem768x25519-sha256"}
	conn, chans, reqs, err := ssh.NewClientConn(raw, t.address(), config)
	if err != nil {
		_ = raw.Close()
		var authErr *ssh.ServerAuthError
		switch {
		case wrongKey != nil:
			return nil, wrongKey
		case keyAccepted && (errors.As(err, &authErr) || isAuthFailure(err)):
			return nil, &AuthError{Machine: t.Name, Address: t.address(), Err: err}
		}
		return nil, err
	}
	if err := raw.SetDeadline(time.Time{}); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return ssh.NewClient(conn, chans, reqs), nil
}
