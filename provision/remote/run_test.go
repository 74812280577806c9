package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/provision/machine"
)

func (s *server) dial(t *testing.T) *Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := Dial(ctx, s.target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestRun(t *testing.T) {
	c := newServer(t).dial(t)
	res, err := c.Run(t.Context(), machine.Command{Line: "cat; echo \"it's\" >&2", Stdin: []byte("in")})
	if err != nil || string(res.Stdout) != "in" || string(res.Stderr) != "it's\n" {
		t.Errorf("got %q, %q, %v", res.Stdout, res.Stderr, err)
	}
	_, err = c.Run(t.Context(), machine.Command{Line: "echo out; echo err >&2; exit 3"})
	var exit *machine.ExitError
	if !errors.As(err, &exit) || exit.Status != 3 || exit.Output != "out\nerr\n" || exit.Machine != "node1" {
		t.Errorf("got %#v", err)
	}
	_, err = c.Run(t.Context(), machine.Command{Line: "kill -9 $$"})
	if !errors.As(err, &exit) || exit.Status != -1 || !strings.Contains(exit.Reason, "KILL") {
		t.Errorf("killed: %v", err)
	}
	res, err = c.Run(t.Context(), machine.Command{Line: "head -c 10000000 /dev/zero"})
	if err != nil || len(res.Stdout) != 10000000 {
		t.Errorf("large output: %d bytes, %v", len(res.Stdout), err)
	}
}

// TestRunEndless: neither a command without end nor one that ends fills this host.
func TestRunEndless(t *testing.T) {
	c := newServer(t).dial(t)
	for _, line := range []string{"yes", "yes >&2", fmt.Sprintf("head -c %d /dev/zero", outputLimit+1)} {
		res, err := c.Run(t.Context(), machine.Command{Line: line})
		var exit *machine.ExitError
		if !errors.As(err, &exit) || exit.Status != -1 || !strings.Contains(err.Error(), "printed more than 16 MiB") || len(exit.Output) > 4*tailBytes {
			t.Errorf("%s: %d bytes, error %.300v", line, len(res.Stdout)+len(res.Stderr), err)
		}
	}
	if err := c.pipe(t.Context(), "yes", strings.NewReader("")); err == nil || !strings.Contains(err.Error(), "printed more than") {
		t.Errorf("with an input: %.300v", err)
	}
}

func TestRunTimeLimit(t *testing.T) {
	c := newServer(t).dial(t)
	mark := filepath.Join(t.TempDir(), "mark")
	start := time.Now()
	_, err := c.Run(t.Context(), machine.Command{Line: "sleep 3; touch " + mark, Timeout: 100 * time.Millisecond})
	var exit *machine.ExitError
	if !errors.As(err, &exit) || exit.Status != -1 || !strings.Contains(err.Error(), "time limit of 100ms") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := c.Run(ctx, machine.Command{Line: "sleep 3; touch " + mark}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	time.Sleep(time.Until(start.Add(3500 * time.Millisecond)))
	if _, err := os.Stat(mark); err == nil {
		t.Error("the command ran on after its limit")
	}
}

func TestRunMany(t *testing.T) {
	c := newServer(t).dial(t)
	var wg sync.WaitGroup
	for i := range 2 * maxSessions {
		wg.Go(func() {
			res, err := c.Run(t.Context(), machine.Command{Line: fmt.Sprintf("echo %d", i)})
			if err != nil || string(res.Stdout) != fmt.Sprintf("%d\n", i) {
				t.Errorf("%d: %q, %v", i, res.Stdout, err)
			}
		})
	}
	wg.Wait()
}

func TestDialWaits(t *testing.T) {
	s := newServer(t)
	addr := s.listener.Addr().String()
	s.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := Dial(ctx, s.target)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "node1") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v; want what it waited for and the last cause", err)
	}
	time.AfterFunc(500*time.Millisecond, func() { s.listen(addr) })
	s.dial(t)
}

func TestReconnect(t *testing.T) {
	s := newServer(t)
	c := s.dial(t)
	addr := s.listener.Addr().String()
	s.stop() // the machine reboots
	time.AfterFunc(300*time.Millisecond, func() { s.listen(addr) })
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := c.Run(t.Context(), machine.Command{Line: "true"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.accepted.Load(); n != 2 {
		t.Errorf("%d connections were made, want 2", n)
	}
	// A command that was running is not run again.
	time.AfterFunc(200*time.Millisecond, s.drop)
	count := filepath.Join(t.TempDir(), "count")
	_, err := c.Run(t.Context(), machine.Command{Line: "echo x >> " + count + "; sleep 1"})
	var exit *machine.ExitError
	if !errors.As(err, &exit) || exit.Status != -1 {
		t.Errorf("connection lost: %v", err)
	}
	if got := read(t, count); string(got) != "x\n" {
		t.Errorf("ran %d times", len(got)/2)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Run(t.Context(), machine.Command{Line: "true"}); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestDialThrough(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	c := newServer(t).dial(t)
	conn, err := c.Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(conn, b); err != nil || string(b) != "hello" {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := c.Dial(t.Context(), "tcp", "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "node1") {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestShell(t *testing.T) {
	c := newServer(t).dial(t)
	var out, errs bytes.Buffer
	in, w := io.Pipe() // never closed: a shell must not wait for its input
	defer w.Close()
	if err := c.Shell(t.Context(), in, &out, &errs, true, "echo hello"); err != nil || out.String() != "hello\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	err := c.Shell(t.Context(), strings.NewReader("exit 7\n"), &out, &errs, false, "sh")
	var exit *machine.ExitError
	if !errors.As(err, &exit) || exit.Status != 7 {
		t.Errorf("got %v", err)
	}
}

func TestQuote(t *testing.T) {
	c := newServer(t).dial(t)
	for _, s := range []string{"", "a b", "it's", "'", "''", "$HOME `x` \\ \"", "a\nb", "*"} {
		res, err := c.Run(t.Context(), machine.Command{Line: "printf %s " + shell.Quote(s)})
		if err != nil || string(res.Stdout) != s {
			t.Errorf("%q came as %q, %v", s, res.Stdout, err)
		}
	}
}

// Errors and waits name what is done by a command, and limits are those of a slow
// machine.
func TestRunNamesWhatItDoes(t *testing.T) {
	s := newServer(t)
	s.target.Patience = 4
	c := s.dial(t)
	cmd := machine.Command{Line: "set -e\nsleep 1", Doing: lang.Text{EN: "setting up", KO: "설정"}, Timeout: 10 * time.Millisecond}
	_, err := c.Run(t.Context(), cmd)
	if err == nil || err.Error() != "on node1: setting up: ended at its time limit of 40ms" {
		t.Errorf("got %v", err)
	}
	if got := c.ending(cmd).EN; got != "node1, busy setting up" {
		t.Errorf("it is waited for %q", got)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Run(t.Context(), cmd); err == nil || !strings.HasPrefix(err.Error(), "setting up: ") {
		t.Errorf("got %v", err)
	}
}
