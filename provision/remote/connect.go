package remote

import (
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

const (
	connectTimeout   = time.Second
	connectPause     = 150 * time.Millisecond
	handshakeTimeout = 10 * time.Second
	// loginPause is the pause after a refused key: an SSH server bars who comes
	// with a wrong one too often.
	loginPause = 2 * time.Second
	// checkPause is how often the machine is looked at from outside.
	checkPause = 2 * time.Second
)

// bearable is how long a trouble may last before it is taken for one that does not
// pass by itself; 0 is as long as the caller waits.
type bearable struct {
	// running is for a machine that ran before, booting for one that may only just
	// have been switched on.
	running, booting time.Duration
}

// bearables are how long each trouble may last. The least is one try.
var bearables = map[Trouble]bearable{
	Unreachable:    {time.Minute, 0},
	Closed:         {15 * time.Second, time.Minute},
	HungUp:         {time.Minute, 0},
	KeyRefused:     {2 * time.Second, 4 * time.Second}, // the key comes before the server, or a moment later
	Barred:         {1, 1},
	HostKeyChanged: {1, 1},
}

// connect tries until ctx ends, or until it is clear that nothing comes of it. Each
// try is short: a SYN sent before the machine has its address would be repeated only
// after long pauses.
func connect(ctx context.Context, t Target) (*ssh.Client, error) {
	d := dialing{target: t}
	what := lang.Textf("%s to answer SSH at %s", "%s(%s)의 SSH 응답", t.Name, t.address())
	err := wait.Until(ctx, connectPause, what, d.try)
	var fault *ConnectError
	if err != nil && d.last != nil && !errors.As(err, &fault) {
		return nil, &gaveUp{error: err, last: d.last}
	}
	return d.conn, err
}

// gaveUp is a wait that ended before the machine let us in, and why it did not.
type gaveUp struct {
	error
	last *ConnectError
}

// Unwrap gives both.
func (g *gaveUp) Unwrap() []error { return []error{g.error, g.last} }

// dialing is one wait for a machine to let us in.
type dialing struct {
	target Target
	conn   *ssh.Client
	last   *ConnectError
	// since is when the last trouble began; checked when the machine was looked at.
	since, checked time.Time
	// again is when to try again, if not at once.
	again time.Time
}

// try is a wait.Look.
func (d *dialing) try(ctx context.Context) (bool, string, error) {
	if time.Now().Before(d.again) {
		return false, d.last.seen(), nil
	}
	conn, err := connectOnce(ctx, d.target)
	if err == nil {
		d.conn = conn
		return true, "", nil
	}
	var e *ConnectError
	if !errors.As(err, &e) {
		return false, "", err
	}
	if wait.Over(ctx) && d.last != nil {
		return false, d.last.seen(), nil // this try was cut short and shows nothing
	}
	d.note(e)
	switch {
	case d.unbearable():
		return false, "", e
	case e.Trouble == KeyRefused:
		d.again = time.Now().Add(d.target.patient(loginPause))
	case d.target.Check != nil && time.Since(d.checked) > checkPause:
		if err := d.target.Check(ctx); err != nil {
			return false, "", err
		}
		d.checked = time.Now()
	}
	return false, e.seen(), nil
}

// note keeps the trouble, and since when it is the same.
func (d *dialing) note(e *ConnectError) {
	if d.last == nil || d.last.Trouble != e.Trouble {
		d.since = time.Now()
	}
	d.last = e
}

// unbearable says whether the trouble has lasted too long to pass by itself.
func (d *dialing) unbearable() bool {
	b := bearables[d.last.Trouble]
	limit := b.running
	if d.target.Booting {
		limit = b.booting
	}
	if most := d.target.Bear; most > 0 && (limit == 0 || most < limit) {
		limit = most
	}
	return limit > 0 && time.Since(d.since)+connectPause >= d.target.patient(limit)
}

// connectOnce opens a TCP connection and does SSH's handshake on it. Its error is a
// *ConnectError.
func connectOnce(ctx context.Context, t Target) (*ssh.Client, error) {
	via, hostKey := t.Via, &hostKeyCheck{target: t}
	if via == nil {
		via = (&net.Dialer{}).DialContext
	}
	fail := func(err error, heard []byte) error {
		return &ConnectError{Machine: t.Name, Address: t.address(), Trouble: troubleOf(err, heard, hostKey), Err: err}
	}
	brief, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	raw, err := via(brief, "tcp", t.address())
	if err != nil {
		return nil, fail(err, nil)
	}
	// The handshake knows no context: its end closes the connection.
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	if err := raw.SetDeadline(time.Now().Add(t.patient(handshakeTimeout))); err != nil {
		_ = raw.Close()
		return nil, fail(err, nil)
	}
	conn := &hearing{Conn: raw}
	client, err := handshake(conn, t, hostKey)
	if err != nil {
		_ = raw.Close()
		return nil, fail(err, conn.heard)
	}
	if err := raw.SetDeadline(time.Time{}); err != nil {
		_ = client.Close()
		return nil, fail(err, nil)
	}
	return client, nil
}

// handshake checks the machine's host key and shows it ours.
func handshake(raw net.Conn, t Target, hostKey *hostKeyCheck) (*ssh.Client, error) {
	config := &ssh.ClientConfig{
		User:              t.User,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(t.Signer)},
		HostKeyAlgorithms: []string{t.HostKey.Type()},
		HostKeyCallback:   hostKey.check,
	}
	// The fastest of the safe ones where the processor has AES.
	config.Ciphers = []string{"aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr"}
	config.KeyExchanges = []string{"curve25519-sha256", "curve25519-sha256@libssh.org", "mlkem768x25519-sha256"}
	conn, chans, reqs, err := ssh.NewClientConn(raw, t.address(), config)
	if err != nil {
		return nil, err
	}
	return ssh.NewClient(conn, chans, reqs), nil
}
