package netns

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// TestReach listens inside a namespace and outside of it, and goes both ways
// from a process that is outside.
func TestReach(t *testing.T) {
	const name = "test-reach"
	temporary(t, name)
	var inside net.Listener
	if err := Do(name, func() (err error) {
		inside, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	go func() {
		for {
			c, err := inside.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "inside") // the reader below sees what came
			c.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	// Several at once: none may end up in the other network.
	for range 20 {
		conn, err := Dial(ctx, name, "tcp", inside.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || string(said) != "inside" {
			t.Fatalf("heard %q, %v", said, err)
		}
	}
	if conn, err := net.DialTimeout("tcp", inside.Addr().String(), time.Second); err == nil {
		conn.Close()
		t.Error("what listens inside is reached from outside")
	}
	outside, err := ListenOutside(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	conn, err := net.DialTimeout("tcp", outside.Addr().String(), 10*time.Second)
	if err != nil {
		t.Fatalf("what listens outside is not reached: %v", err)
	}
	conn.Close()
}
