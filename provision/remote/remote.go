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
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/internal/lang"
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
	// Patience multiplies all time limits, for slow machines; 0 is 1.
	Patience int
	// Booting says that the machine may only just have been switched on.
	Booting bool
	// Bear is how long any trouble may last at most; 0 leaves it to the trouble.
	Bear time.Duration
	// Check looks at a machine that does not answer from outside, now and then: an
	// error, as that it is off, ends the wait.
	Check func(ctx context.Context) error
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

// patient is a time limit for this machine.
func (t Target) patient(limit time.Duration) time.Duration {
	return limit * time.Duration(max(t.Patience, 1))
}

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

// Dial waits until the machine answers and lets us in, or ctx ends, but no longer
// than for ten minutes. It ends sooner where nothing comes of it: with a
// *ConnectError, or with the error of the target's Check. The error of a wait that
// ended is a *ConnectError as well.
func Dial(ctx context.Context, t Target) (*Client, error) {
	if t.User == "" {
		t.User = "root"
	}
	if t.Signer == nil || t.HostKey == nil || !t.Address.IsValid() {
		return nil, lang.Errorf("connecting to %s: a key, a host key and an address are needed",
			"%s에 연결: 키, 호스트 키, 주소가 필요합니다", t.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, t.patient(dialTimeout))
	defer cancel()
	conn, err := connect(ctx, t)
	if err != nil {
		return nil, err
	}
	c := &Client{target: t, conn: conn, slots: make(chan struct{}, maxSessions)}
	go keepalive(conn, t.patient(keepaliveWithin))
	return c, nil
}

// dialTimeout is how long Dial waits at the most.
const dialTimeout = 10 * time.Minute

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
		return lang.Errorf("closing the connection to %s: %w", "%s 연결 닫기: %w", c.target.Name, err)
	}
	return nil
}
