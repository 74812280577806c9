package remote

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/internal/lang"
)

// Trouble is why a machine does not let us in.
type Trouble string

// The troubles, in the order in which a machine that boots may go through them.
const (
	// Unreachable is a machine that does not answer at all.
	Unreachable Trouble = "unreachable"
	// Closed is a machine that answers: nothing listens at the port.
	Closed Trouble = "closed"
	// HungUp is an SSH server that ends the connection before it is made.
	HungUp Trouble = "hung-up"
	// KeyRefused is an SSH server that does not know our key.
	KeyRefused Trouble = "key-refused"
	// Barred is an SSH server that takes no connections from here for a while, as it
	// does where it had to refuse logins (PerSourcePenalties in sshd_config(5)).
	Barred Trouble = "barred"
	// HostKeyChanged is an SSH server with another host key than the machine was given.
	HostKeyChanged Trouble = "host-key-changed"
)

// ConnectError is a machine that did not let us in.
type ConnectError struct {
	Machine, Address string
	Trouble          Trouble
	Err              error
}

// Error says what is wrong, as far as it can be seen from here.
func (e *ConnectError) Error() string {
	var t lang.Text
	switch e.Trouble {
	case Closed:
		t = lang.Textf("%s refuses connections at %s: its SSH server does not run", "%s이(가) %s 연결을 거부합니다: SSH 서버가 실행되고 있지 않습니다", e.Machine, e.Address)
	case HungUp:
		t = lang.Textf("the SSH connection to %s (%s) ends before it is made: %v", "%s(%s)에 대한 SSH 연결이 맺어지기 전에 끊깁니다: %v", e.Machine, e.Address, e.Err)
	case KeyRefused:
		t = lang.Textf("%s refuses the testbed's key: its authorized_keys was changed", "%s이(가) 테스트베드의 키를 거부합니다: authorized_keys가 바뀌었습니다", e.Machine)
	case Barred:
		t = lang.Textf("the SSH server of %s takes no connections from here for a while, as after logins that it refused",
			"%s의 SSH 서버가 한동안 이쪽의 연결을 받지 않습니다. 로그인을 여러 번 거부한 뒤에 그렇게 합니다", e.Machine)
	case HostKeyChanged:
		t = lang.Textf("%s shows another host key than the one it was given: its host key was changed", "%s이(가) 처음에 받은 것과 다른 호스트 키를 보여 줍니다: 호스트 키가 바뀌었습니다", e.Machine)
	default:
		t = lang.Textf("%s does not answer at %s: %v", "%s이(가) %s에서 응답하지 않습니다: %v", e.Machine, e.Address, e.Err)
	}
	return t.String()
}

// Unwrap gives the cause.
func (e *ConnectError) Unwrap() error { return e.Err }

// seen is the trouble in a few words, for a wait that names the machine already.
func (e *ConnectError) seen() string {
	var op *net.OpError
	switch {
	case e.Trouble == Closed:
		return lang.T("connection refused", "연결이 거부됨")
	case e.Trouble == KeyRefused:
		return lang.T("it refuses the testbed's key", "테스트베드의 키를 거부함")
	case e.Trouble == Unreachable && errors.As(e.Err, &op):
		return op.Err.Error() // the address is in the wait's name
	}
	return e.Err.Error()
}

// troubleOf tells what a try to connect came to. heard is what the server has said.
func troubleOf(err error, heard []byte, hostKey *hostKeyCheck) Trouble {
	var refused *ssh.ServerAuthError
	var otherKind *ssh.AlgorithmNegotiationError
	switch {
	case hostKey.wrong, errors.As(err, &otherKind): // the only thing that is negotiable is the kind of host key
		return HostKeyChanged
	case hostKey.right && (errors.As(err, &refused) || strings.Contains(err.Error(), "unable to authenticate")):
		return KeyRefused
	case bytes.HasPrefix(heard, []byte("Not allowed at this time")):
		return Barred
	case errors.Is(err, syscall.ECONNREFUSED):
		return Closed
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return HungUp
	}
	return Unreachable
}

// hearing notes the first that comes over a connection.
type hearing struct {
	net.Conn
	heard []byte
}

// heardLimit is enough for a line.
const heardLimit = 80

// Read reads from the connection.
func (h *hearing) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	if room := heardLimit - len(h.heard); room > 0 {
		h.heard = append(h.heard, b[:min(n, room)]...)
	}
	return n, err
}
