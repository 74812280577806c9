package remote

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

const (
	connectTimeout   = time.Second
	connectPause     = 150 * time.Millisecond
	handshakeTimeout = 30 * time.Second // an emulated machine takes seconds for it
	// authPatience is how long a refused key may be tried again: a machine
	// that boots may answer before the key is in place.
	authPatience = 5 * time.Second
)

// authError is a machine that refuses our key.
type authError struct {
	machine, address string
	err              error
}

// Error says who refused.
func (e *authError) Error() string {
	return lang.Textf("%s (%s) refuses the testbed's SSH key: %v", "%s(%s)이(가) 테스트베드의 SSH 키를 거부합니다: %v", e.machine, e.address, e.err).String()
}

// Unwrap gives the cause.
func (e *authError) Unwrap() error { return e.err }

// connect tries until ctx ends. Each try is short: a SYN sent before the
// machine has its address would be repeated only after long pauses.
func connect(ctx context.Context, t Target) (*ssh.Client, error) {
	var conn *ssh.Client
	var refusedSince time.Time
	what := lang.Textf("%s to answer SSH at %s", "%s(%s)의 SSH 응답", t.Name, t.address())
	err := wait.Until(ctx, connectPause, what, func(ctx context.Context) (bool, string, error) {
		var err error
		if conn, err = connectOnce(ctx, t); err == nil {
			return true, "", nil
		}
		var wrongKey *hostKeyError
		var refused *authError
		switch {
		case errors.As(err, &wrongKey):
			return false, "", err
		case !errors.As(err, &refused):
			refusedSince = time.Time{}
		case refusedSince.IsZero():
			refusedSince = time.Now()
		case time.Since(refusedSince) > authPatience:
			return false, "", err
		}
		return false, err.Error(), nil
	})
	return conn, err
}

// connectOnce opens a TCP connection and does SSH's handshake on it.
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
	client, err := handshake(raw, t)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	if err := raw.SetDeadline(time.Time{}); err != nil {
		_ = client.Close()
		return nil, err
	}
	return client, nil
}

// handshake checks the machine's host key and shows it ours. Its error is a
// *hostKeyError or an *authError where one of the keys is refused.
func handshake(raw net.Conn, t Target) (*ssh.Client, error) {
	hostKey := hostKeyCheck{target: t}
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
	if err == nil {
		return ssh.NewClient(conn, chans, reqs), nil
	}
	var refused *ssh.ServerAuthError
	switch {
	case hostKey.wrong != nil:
		return nil, hostKey.wrong
	case hostKey.right && (errors.As(err, &refused) || strings.Contains(err.Error(), "unable to authenticate")):
		return nil, &authError{machine: t.Name, address: t.address(), err: err}
	}
	return nil, err
}
