package remote

import (
	"net"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/internal/lang"
)

// hostKeyError is a machine that showed another host key than the one it was
// given: the address belongs to someone else, or the machine was replaced.
type hostKeyError struct {
	machine, address string
	// want and got are SHA-256 fingerprints.
	want, got string
}

// Error says which key was expected and which came.
func (e *hostKeyError) Error() string {
	return lang.Textf("%s (%s) showed the host key %s, but it was given %s: another machine answers at this address",
		"%s(%s)의 호스트 키는 %s인데, 이 머신에 준 것은 %s입니다: 이 주소에서 다른 머신이 응답합니다",
		e.machine, e.address, e.got, e.want).String()
}

// hostKeyCheck accepts the target's host key and no other.
type hostKeyCheck struct {
	target Target
	// right or wrong is set once the machine has shown its key.
	right bool
	wrong *hostKeyError
}

// check is an ssh.HostKeyCallback.
func (c *hostKeyCheck) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	if string(key.Marshal()) == string(c.target.HostKey.Marshal()) {
		c.right = true
		return nil
	}
	c.wrong = &hostKeyError{machine: c.target.Name, address: c.target.address(),
		want: ssh.FingerprintSHA256(c.target.HostKey), got: ssh.FingerprintSHA256(key)}
	return c.wrong
}
