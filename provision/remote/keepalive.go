package remote

import (
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	keepaliveEvery  = 10 * time.Second
	keepaliveWithin = 30 * time.Second
)

// keepalive closes a connection whose machine doesn't answer any more within a limit,
// so that what waits on it fails instead of hanging.
func keepalive(conn *ssh.Client, within time.Duration) {
	ended := make(chan struct{})
	go func() {
		_ = conn.Wait()
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return
		case <-time.After(keepaliveEvery):
		}
		answered := make(chan error, 1)
		go func() {
			_, _, err := conn.SendRequest("keepalive@openssh.com", true, nil)
			answered <- err
		}()
		select {
		case <-ended:
			return
		case <-answered:
		case <-time.After(within):
			_ = conn.Close()
			return
		}
	}
}
