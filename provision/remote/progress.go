package remote

import (
	"context"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/pkg/sftp"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/provision/machine"
)

// progress is how far the sending of some files has come.
type progress struct {
	total int64
	sent  atomic.Int64
}

// see is a wait.Look beside the sending.
func (p *progress) see(context.Context) (bool, string, error) {
	const mib = 1 << 20
	return false, lang.Textf("%d of %d MiB", "%[2]d MiB 중 %[1]d MiB", p.sent.Load()/mib, p.total/mib).String(), nil
}

// counted counts what is read.
type counted struct {
	io.ReadCloser
	progress *progress
}

// Read reads and counts.
func (c counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.progress.sent.Add(int64(n))
	return n, err
}

// fullBelow is what may be free on a full disk: what was on its way did not fit.
const fullBelow = 1 << 20

// explain tells whether an upload failed because the machine's disk is full: SFTP
// has no word for that.
func (c *Client) explain(ctx context.Context, sends []*outgoing, err error) error {
	var status *sftp.StatusError
	if !errors.As(err, &status) || ctx.Err() != nil {
		return err
	}
	need := int64(0)
	var dirs []string
	for _, s := range sends {
		if !s.done {
			need += s.size
			dirs = append(dirs, path.Dir(s.path))
		}
	}
	place, free, known := c.leastFree(ctx, dirs)
	if !known || free >= fullBelow {
		return err
	}
	return &machine.FullError{Machine: c.target.Name, Place: place, Free: free, Needed: need, Err: err}
}

// leastFree finds which of some folders has the least room on its disk, in bytes.
func (c *Client) leastFree(ctx context.Context, dirs []string) (place string, free int64, known bool) {
	res, err := c.Run(ctx, machine.Command{
		Line:  "df -B1 --output=avail,target -- " + shell.Join(dirs...),
		Doing: lang.Text{EN: "looking how much room there is on the disk", KO: "디스크의 남은 공간 확인"},
	})
	if err != nil {
		return "", 0, false // the first error says more
	}
	for line := range strings.Lines(string(res.Stdout)) {
		avail, target, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(avail, 10, 64)
		if err == nil && (!known || n < free) { // the first line is a heading
			place, free, known = strings.TrimSpace(target), n, true
		}
	}
	return place, free, known
}
