package remote

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// Shell runs cmd, or a login shell if it is empty, with the given streams,
// for as long as it takes. With tty the machine gives it a terminal; if stdin
// is this program's terminal too, its keys go through unchanged and its size
// is followed. A non-zero exit status is a *machine.ExitError.
func (c *Client) Shell(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer, tty bool, cmd string) error {
	s, end, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer end()
	s.Stdout, s.Stderr = stdout, stderr
	in, err := s.StdinPipe()
	if err != nil {
		return lang.Errorf("opening a shell on %s: %w", "%s에서 셸 열기: %w", c.target.Name, err)
	}
	if tty {
		restore, err := c.terminal(s, stdin)
		if err != nil {
			return err
		}
		defer restore()
	}
	start := s.Shell
	if cmd != "" {
		start = func() error { return s.Start(cmd) }
	}
	if err := start(); err != nil {
		return lang.Errorf("opening a shell on %s: %w", "%s에서 셸 열기: %w", c.target.Name, err)
	}
	// Not waited for: a read from a terminal ends only with the next key.
	go func() {
		_, _ = io.Copy(in, stdin) // the session's own end tells of errors
		_ = in.Close()
	}()
	ended := make(chan error, 1)
	go func() { ended <- s.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		kill(s, ended)
		return c.stopped(ctx, machine.Command{Line: cmd})
	}
	return c.shellError(cmd, err)
}

func (c *Client) shellError(cmd string, err error) error {
	if err == nil {
		return nil
	}
	if cmd == "" {
		cmd = lang.T("login shell", "로그인 셸")
	}
	return c.exitError(machine.Command{Line: cmd}, machine.Result{}, err)
}

// terminal asks for a terminal of the size of ours and sets ours to raw mode.
func (c *Client) terminal(s *ssh.Session, stdin io.Reader) (restore func(), err error) {
	kind := os.Getenv("TERM")
	if kind == "" {
		kind = "xterm"
	}
	width, height := 80, 24
	f, ok := stdin.(*os.File)
	ours := ok && term.IsTerminal(int(f.Fd()))
	if ours {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			width, height = w, h
		}
	}
	if err := s.RequestPty(kind, height, width, ssh.TerminalModes{}); err != nil {
		return nil, lang.Errorf("asking %s for a terminal: %w", "%s에 터미널 요청: %w", c.target.Name, err)
	}
	if !ours {
		return func() {}, nil
	}
	old, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return nil, lang.Errorf("setting the terminal to raw mode: %w", "터미널을 raw 모드로 바꾸기: %w", err)
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	go func() {
		for range resized {
			if w, h, err := term.GetSize(int(f.Fd())); err == nil {
				if err := s.WindowChange(h, w); errors.Is(err, io.EOF) {
					return
				}
			}
		}
	}()
	return func() {
		signal.Stop(resized)
		close(resized)
		_ = term.Restore(int(f.Fd()), old) // nothing better can be done at the end
	}, nil
}
