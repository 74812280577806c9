package netns

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// listenOutsideForOne is the child of TestListenOutside: it says where it listens,
// and ends when somebody came.
func listenOutsideForOne() {
	l, err := ListenOutside(context.Background(), "tcp", "127.0.0.1:0")
	if err == nil {
		os.Stdout.WriteString(l.Addr().String() + "\n")
		_, err = l.Accept()
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

// TestListenOutside is `nori open` in a `nori shell`: the process is inside and
// the browser outside.
func TestListenOutside(t *testing.T) {
	const name = "test-outside"
	temporary(t, name)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, self)
	c.Env = append(os.Environ(), "NETNS_TEST_ENTER="+name, "NETNS_TEST_LISTEN=1")
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Errorf("it said %q: %v", line, err)
	} else if conn, err := net.DialTimeout("tcp", strings.TrimSpace(line), 10*time.Second); err != nil {
		t.Errorf("what it listens on is not reached: %v", err)
		cancel()
	} else {
		conn.Close()
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
