package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/provision/machine"
)

const (
	// bigFile is the size from which a file is compressed if the target asks.
	bigFile = 1 << 20
	// hashTimeout limits a checksum run on the machine.
	hashTimeout = 5 * time.Minute
	// window is how much of an interrupted upload may be out of order: SFTP
	// writes that were on their way. So much is sent again.
	window = 64 * 32 << 10
	// parallelFiles is how many files are sent at once on one connection.
	parallelFiles = 8
)

// Upload puts files in place: what is there with the same content stays; the
// rest is sent to ".NAME.nori-part-SHA" beside its target, taking up an
// interrupted upload of the same content, then verified by SHA-256 on the
// machine and renamed. A part that turns out wrong is sent anew, once. What the
// machine's parcel holds is linked to instead.
//
// The files are not forced to the disk: a machine that loses power at once
// may lose one, which the next Upload notices.
func (c *Client) Upload(ctx context.Context, files ...machine.File) error {
	sends, err := prepare(files)
	if err != nil {
		return lang.Errorf("uploading to %s: %w", "%s에 올리기: %w", c.target.Name, err)
	}
	for len(sends) > 0 { // in batches, as the checks' command lines are limited
		n := min(len(sends), 100)
		if err := c.upload(ctx, sends[:n]); err != nil {
			return lang.Errorf("uploading to %s: %w", "%s에 올리기: %w", c.target.Name, err)
		}
		sends = sends[n:]
	}
	return nil
}

func (c *Client) upload(ctx context.Context, sends []*outgoing) error {
	sends, err := c.linkFromParcel(ctx, sends)
	if err != nil || len(sends) == 0 {
		return err
	}
	if err := c.compare(ctx, sends); err != nil {
		return err
	}
	var todo, modes []*outgoing
	for _, s := range sends {
		switch {
		case !s.done:
			todo = append(todo, s)
		case s.haveMode != s.mode:
			modes = append(modes, s)
		}
	}
	if len(todo)+len(modes) == 0 {
		return nil
	}
	p := &progress{}
	for _, s := range todo {
		s.progress = p
		p.total += s.size
	}
	err = wait.During(ctx, c.arriving(todo), p.see, func(ctx context.Context) error { return c.send(ctx, todo, modes) })
	if err != nil {
		return c.explain(ctx, todo, err)
	}
	return c.removeOldParts(ctx, sends)
}

// arriving is the arrival of files, as something to wait for.
func (c *Client) arriving(files []*outgoing) lang.Text {
	if len(files) == 1 {
		return lang.Textf("%s to reach %s", "%s 파일이 %s에 도착하기", path.Base(files[0].path), c.target.Name)
	}
	return lang.Textf("%d files to reach %s", "파일 %d개가 %s에 도착하기", len(files), c.target.Name)
}

// send sends files, and sets the modes of others.
func (c *Client) send(ctx context.Context, todo, modes []*outgoing) error {
	ft, err := open(ctx, c, newSFTP)
	if err != nil {
		return err
	}
	defer ft.Close()
	stop := context.AfterFunc(ctx, func() { _ = ft.Close() }) // SFTP knows no context
	defer stop()
	for _, s := range modes {
		if err := ft.Chmod(s.path, s.mode); err != nil {
			return lang.Errorf("setting the mode of %s: %w", "%s의 권한 설정: %w", s.path, err)
		}
	}
	for try := 1; ; try++ {
		if err := c.sendAll(ctx, ft, todo); err != nil {
			if ctx.Err() != nil {
				return lang.Errorf("interrupted: %w", "중단됨: %w", context.Cause(ctx))
			}
			return err
		}
		bad, err := c.verify(ctx, ft, todo)
		if err != nil {
			return err
		}
		if len(bad) == 0 {
			return nil
		}
		if try == 2 {
			return lang.Errorf("%s arrives with another SHA-256 than it was sent with", "%s이(가) 보낸 것과 다른 SHA-256으로 도착합니다", bad[0].path)
		}
		todo = bad
	}
}

// newSFTP opens a file transfer on a connection.
func newSFTP(conn *ssh.Client) (*sftp.Client, error) {
	return sftp.NewClient(conn, sftp.UseConcurrentWrites(true), sftp.MaxConcurrentRequestsPerFile(64))
}

// sendAll sends the parts of all files.
func (c *Client) sendAll(ctx context.Context, ft *sftp.Client, todo []*outgoing) error {
	if err := c.makeParts(ctx, todo); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelFiles)
	for _, s := range todo {
		g.Go(func() error {
			var err error
			if c.target.Compress && s.size >= bigFile {
				err = c.sendCompressed(ctx, s)
			} else {
				err = sendPlain(ft, s)
			}
			if err != nil {
				return lang.Errorf("sending %s: %w", "%s 보내기: %w", s.path, err)
			}
			// Here and not at the end: the group's context ends with it.
			if err := ft.Chmod(s.part(), s.mode); err != nil {
				return lang.Errorf("setting the mode of %s: %w", "%s의 권한 설정: %w", s.part(), err)
			}
			return nil
		})
	}
	return g.Wait()
}

// makeParts makes the parts that are not there yet and closes all of them to
// others before a byte is in them: whoever had opened one for reading by then
// would read a key that is written later. SFTP can't be told the mode of a file
// that it makes.
func (c *Client) makeParts(ctx context.Context, todo []*outgoing) error {
	parts := make([]string, len(todo))
	for i, s := range todo {
		parts[i] = s.part()
	}
	line := "umask 077 && for p in " + shell.Join(parts...) + "; do : >> \"$p\" && chmod 600 -- \"$p\" || exit; done"
	_, err := c.Run(ctx, machine.Command{Line: line, Doing: lang.Text{EN: "making room for files", KO: "파일 받을 자리 만들기"}})
	return err
}

// sendPlain sends a file's content from where an interrupted upload surely
// got to.
func sendPlain(ft *sftp.Client, s *outgoing) error {
	from := max(0, s.partSize-window)
	if s.partSize > s.size {
		from = 0
	}
	src, err := s.open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := ft.OpenFile(s.part(), openFlags)
	if err != nil {
		return err
	}
	if _, err := dst.Seek(from, io.SeekStart); err != nil {
		_ = dst.Close()
		return err
	}
	// The size is told, else the client takes it for a slow stream and
	// waits for the answer to each packet.
	if _, err := dst.ReadFrom(&io.LimitedReader{R: src, N: s.size - from}); err != nil {
		_ = dst.Close()
		return err
	}
	if err := dst.Truncate(s.size); err != nil {
		_ = dst.Close()
		return err
	}
	return dst.Close()
}

// sendCompressed pipes the file through zstd, on both sides. The part grows
// strictly in order, so all of an earlier one counts.
func (c *Client) sendCompressed(ctx context.Context, s *outgoing) error {
	from := s.partSize
	if from > s.size {
		from = 0
	}
	packed, err := s.compressed(from)
	if err != nil {
		return err
	}
	defer packed.Close()
	part := shell.Quote(s.part())
	return c.pipe(ctx, fmt.Sprintf("umask 077; : >> %s && truncate -s %d %s && zstd -q -d -c >> %s", part, from, part, part), packed)
}

// pipe runs a command whose input may take as long as it needs.
func (c *Client) pipe(ctx context.Context, line string, in io.Reader) error {
	sess, end, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer end()
	sess.Stdin = in
	cmd := machine.Command{Line: line, Doing: lang.Text{EN: "unpacking what arrives", KO: "도착한 것 풀기"}}
	out := captureOutput(sess)
	ended := make(chan error, 1)
	go func() { ended <- sess.Run(shellLine(line)) }()
	select {
	case err := <-ended:
		if err != nil {
			res, _ := out.result()
			return c.exitError(cmd, res, err)
		}
		return nil
	case <-out.full:
		return c.flooded(cmd, out)
	case <-ctx.Done():
		return ctx.Err() // the session's end ends the command: its input closes
	}
}

// verify compares the checksums of the parts and renames those that are
// right; the others are removed and returned.
func (c *Client) verify(ctx context.Context, ft *sftp.Client, todo []*outgoing) (bad []*outgoing, err error) {
	parts := make([]string, len(todo))
	for i, s := range todo {
		parts[i] = s.part()
	}
	sums, err := c.checksums(ctx, parts)
	if err != nil {
		return nil, err
	}
	for _, s := range todo {
		if sums[s.part()] == s.sha {
			if err := ft.PosixRename(s.part(), s.path); err != nil {
				return nil, lang.Errorf("putting %s in place: %w", "%s을(를) 제자리에 놓기: %w", s.path, err)
			}
			continue
		}
		if err := ft.Remove(s.part()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, lang.Errorf("removing %s, which is damaged: %w", "손상된 %s 제거: %w", s.part(), err)
		}
		s.partSize = 0
		bad = append(bad, s)
	}
	return bad, nil
}

// removeOldParts removes what interrupted uploads of other contents left.
func (c *Client) removeOldParts(ctx context.Context, sends []*outgoing) error {
	var old []string
	for _, s := range sends {
		for _, name := range s.oldParts {
			old = append(old, path.Join(path.Dir(s.path), name))
		}
	}
	if len(old) == 0 {
		return nil
	}
	_, err := c.Run(ctx, machine.Command{Line: "rm -f -- " + shell.Join(old...)})
	return err
}
