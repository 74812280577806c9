package component

import (
	"fmt"
	"net"
	"os"
)

// NotifyReady tells systemd (Type=notify) that the component does its work now, so
// that what is ordered after it starts no sooner. Without systemd it does nothing.
// The protocol is sd_notify(3): a datagram to the socket named in $NOTIFY_SOCKET.
func NotifyReady() error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("telling systemd that the component is ready: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("READY=1")); err != nil {
		return fmt.Errorf("telling systemd that the component is ready: %w", err)
	}
	return nil
}
