package remote

import (
	"bytes"
	"sync"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// outputLimit is how much a command may print, both streams together. What we
// ask of machines is answered in kilobytes; a program on one that prints
// without end must not take this host's memory.
const outputLimit = 16 << 20

// capture keeps what a command prints, up to the limit. What comes after it is
// thrown away: the machine's answer to the end of its command is behind it.
type capture struct {
	mu             sync.Mutex
	stdout, stderr bytes.Buffer
	left           int
	// full is closed when the limit is passed.
	full chan struct{}
	over bool
}

// captureOutput connects a session's streams.
func captureOutput(s *ssh.Session) *capture {
	c := &capture{left: outputLimit, full: make(chan struct{})}
	s.Stdout, s.Stderr = captured{c, &c.stdout}, captured{c, &c.stderr}
	return c
}

// captured is one stream of a capture.
type captured struct {
	all *capture
	to  *bytes.Buffer
}

// Write never fails.
func (w captured) Write(b []byte) (int, error) {
	c := w.all
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(b), c.left)
	c.left -= n
	w.to.Write(b[:n])
	if n < len(b) && !c.over {
		c.over = true
		close(c.full)
	}
	return len(b), nil
}

// result is what was printed, and whether that is all of it.
func (c *capture) result() (res machine.Result, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return machine.Result{Stdout: bytes.Clone(c.stdout.Bytes()), Stderr: bytes.Clone(c.stderr.Bytes())}, !c.over
}

// flooded is the error of a command that printed too much.
func (c *Client) flooded(cmd machine.Command, out *capture) error {
	res, _ := out.result()
	return &machine.ExitError{
		Machine: c.target.Name, Line: cmd.Line, Doing: cmd.Doing, Status: -1, Output: outputTail(res),
		Reason: lang.Textf("ended: it printed more than %d MiB", "출력이 %d MiB를 넘어 끝냈습니다", outputLimit>>20).String(),
	}
}
