package remote

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// Dialer makes connections, as net.Dialer.DialContext does.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Through gives a Dialer that connects from another host, a jump host, by OpenSSH's
// client and its option -W: the host's key is checked, and the user's own keys and
// configuration are used, as ssh does it. The destination is in ssh's form,
// ssh://USER@HOST:PORT.
func Through(destination string) Dialer {
	return func(_ context.Context, _, address string) (net.Conn, error) {
		// Not bound to the context, which is only for the making of the
		// connection: it lives until it is closed.
		c := exec.Command("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-W", address, "--", destination)
		in, err := c.StdinPipe()
		if err != nil {
			return nil, lang.Errorf("connecting through %s: %w", "%s을(를) 거쳐 연결: %w", destination, err)
		}
		out, err := c.StdoutPipe()
		if err != nil {
			return nil, lang.Errorf("connecting through %s: %w", "%s을(를) 거쳐 연결: %w", destination, err)
		}
		c.Stderr = os.Stderr // what ssh says of a refused key or an unknown host
		if err := c.Start(); err != nil {
			return nil, lang.Errorf("connecting through %s: %w", "%s을(를) 거쳐 연결: %w", destination, err)
		}
		// A pipe has no deadlines; a pair of sockets in between has.
		ours, theirs := net.Pipe()
		p := &piped{Conn: ours, cmd: c}
		p.copying.Add(2)
		go func() {
			defer p.copying.Done()
			_, _ = io.Copy(in, theirs) // the reader at the other end sees how it ended
			_ = in.Close()
		}()
		go func() {
			defer p.copying.Done()
			_, _ = io.Copy(theirs, out)
			_ = theirs.Close()
		}()
		return p, nil
	}
}

// piped is a connection whose other end is a process.
type piped struct {
	net.Conn
	cmd     *exec.Cmd
	copying sync.WaitGroup
	once    sync.Once
}

// Close ends the connection and the process.
func (p *piped) Close() error {
	err := p.Conn.Close()
	p.once.Do(func() {
		gone := make(chan struct{})
		go func() {
			p.copying.Wait()
			_ = p.cmd.Wait() // its status says nothing that the connection did not
			close(gone)
		}()
		select {
		case <-gone:
		case <-time.After(time.Second):
			_ = p.cmd.Process.Kill()
		}
	})
	return err
}
