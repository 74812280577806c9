package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/provision/machine"
)

const (
	// tailBytes is how much of a failed command's output goes into its error.
	tailBytes = 4 << 10
	// killPatience is how long a killed command may take to be gone.
	killPatience = 2 * time.Second
)

// Run runs a command to its end, its time limit, that of ctx, or that of what it
// may print. At a limit the command is killed on the machine. A command during
// which the connection is lost is not repeated.
func (c *Client) Run(ctx context.Context, cmd machine.Command) (machine.Result, error) {
	limit := cmd.Timeout
	if limit == 0 {
		limit = machine.DefaultTimeout
	}
	limit = c.target.patient(limit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, lang.Errorf("ended at its time limit of %s", "제한 시간 %s이(가) 지나 끝냈습니다", limit))
	defer cancel()
	var res machine.Result
	err := wait.During(ctx, c.ending(cmd), nil, func(ctx context.Context) (err error) {
		res, err = c.run(ctx, cmd)
		return err
	})
	return res, err
}

// ending is the command's end, as something to wait for.
func (c *Client) ending(cmd machine.Command) lang.Text {
	if cmd.Doing == (lang.Text{}) {
		return lang.Textf("a command on %s to end", "%s에서 실행한 명령이 끝나기", c.target.Name)
	}
	return lang.Textf("%s, busy %s", "%s의 작업: %s", c.target.Name, cmd.Doing)
}

func (c *Client) run(ctx context.Context, cmd machine.Command) (machine.Result, error) {
	s, end, err := c.session(ctx)
	if err != nil {
		if cmd.Doing != (lang.Text{}) {
			err = fmt.Errorf("%v: %w", cmd.Doing, err)
		}
		return machine.Result{}, err
	}
	defer end()
	out := captureOutput(s)
	s.Stdin = bytes.NewReader(cmd.Stdin)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(shellLine(cmd.Line)) }()
	select {
	case err = <-ended:
	case <-out.full:
		kill(s, ended)
		return machine.Result{}, c.flooded(cmd, out)
	case <-ctx.Done():
		kill(s, ended)
		return machine.Result{}, c.stopped(ctx, cmd)
	}
	res, whole := out.result()
	if !whole { // it ended by itself, with part of its output thrown away
		return machine.Result{}, c.flooded(cmd, out)
	}
	if err != nil {
		return res, c.exitError(cmd, res, err)
	}
	return res, nil
}

// stopped is the error of a command that a limit or a cancellation ended.
func (c *Client) stopped(ctx context.Context, cmd machine.Command) error {
	cause := context.Cause(ctx)
	e := &machine.ExitError{Machine: c.target.Name, Line: cmd.Line, Doing: cmd.Doing, Status: -1, Reason: cause.Error()}
	return &stoppedError{ExitError: e, ended: ctx.Err()}
}

// stoppedError is an ExitError that is also that of the context which ended it.
type stoppedError struct {
	*machine.ExitError
	ended error
}

// Unwrap gives both.
func (e *stoppedError) Unwrap() []error { return []error{e.ExitError, e.ended} }

// kill ends the command on the machine. Closing the channel alone would let it
// run on.
func kill(s *ssh.Session, ended <-chan error) {
	go func() { _ = s.Signal(ssh.SIGKILL) }() // a dead connection has no command to kill
	timer := time.NewTimer(killPatience)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
}

// shellLine makes the login shell, whatever it is, hand the line to sh.
func shellLine(line string) string { return "exec /bin/sh -c " + shell.Quote(line) }

// exitError is the error of a command that ended in another way than it should.
func (c *Client) exitError(cmd machine.Command, res machine.Result, err error) error {
	e := c.endedAs(cmd, res, err)
	if strings.Contains(strings.ToLower(string(res.Stderr)), "no space left on device") {
		return &machine.FullError{Machine: c.target.Name, Err: e}
	}
	return e
}

func (c *Client) endedAs(cmd machine.Command, res machine.Result, err error) error {
	e := &machine.ExitError{Machine: c.target.Name, Line: cmd.Line, Doing: cmd.Doing, Output: outputTail(res)}
	var exit *ssh.ExitError
	var lost *ssh.ExitMissingError
	switch {
	case errors.As(err, &exit) && exit.Signal() == "":
		e.Status = exit.ExitStatus()
	case errors.As(err, &exit):
		e.Status, e.Reason = -1, lang.Textf("killed by signal %s", "시그널 %s에 의해 종료됨", exit.Signal()).String()
	case errors.As(err, &lost):
		e.Status, e.Reason, e.Lost = -1, lang.T("the connection was lost while it ran", "실행하는 동안 연결이 끊겼습니다"), true
	default:
		e.Status, e.Reason = -1, err.Error()
		return &stoppedError{ExitError: e, ended: err}
	}
	return e
}

// outputTail gives the end of what a command printed, standard error last.
func outputTail(res machine.Result) string {
	var b strings.Builder
	for _, out := range [][]byte{res.Stdout, res.Stderr} {
		if len(out) > tailBytes {
			b.WriteString("…")
			out = out[len(out)-tailBytes:]
		}
		b.WriteString(strings.ToValidUTF8(string(out), "?"))
		if len(out) > 0 && out[len(out)-1] != '\n' {
			b.WriteByte('\n')
		}
	}
	return b.String()
}
