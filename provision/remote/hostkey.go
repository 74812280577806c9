package remote

import (
	"net"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/internal/lang"
)

// hostKeyCheck accepts the target's host key and no other.
type hostKeyCheck struct {
	target Target
	// right or wrong is set once the machine has shown its key.
	right, wrong bool
}

// check is an ssh.HostKeyCallback.
func (c *hostKeyCheck) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	if string(key.Marshal()) == string(c.target.HostKey.Marshal()) {
		c.right = true
		return nil
	}
	c.wrong = true
	return lang.Errorf("the host key is %s, and not %s", "호스트 키가 %s입니다. %s이어야 합니다",
		ssh.FingerprintSHA256(key), ssh.FingerprintSHA256(c.target.HostKey))
}
