package remote

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"noriter.dev/noriter/provision/machine"
)

// unpack puts those files in place that the machine's parcel holds, as symbolic
// links to there, and gives the others. A machine without a parcel has none.
func (c *Client) unpack(ctx context.Context, sends []*send) ([]*send, error) {
	if c.target.Parcel == "" || !hasBig(sends) {
		return sends, nil
	}
	res, err := c.Run(ctx, machine.Command{Line: "cat " + path.Join(c.target.Parcel, machine.ParcelList)})
	var exit *machine.ExitError
	if errors.As(err, &exit) {
		return sends, nil
	}
	if err != nil {
		return nil, err
	}
	inside := map[string]string{} // "MODE SHA" → name
	for l := range strings.Lines(string(res.Stdout)) {
		f := strings.Fields(l)
		if len(f) != 3 {
			return nil, fmt.Errorf("the parcel of %s lists %q", c.target.Name, l)
		}
		inside[f[0]+" "+f[1]] = f[2]
	}
	var rest []*send
	var script strings.Builder
	for _, s := range sends {
		name, ok := inside[fmt.Sprintf("%o %s", s.mode, s.sha)]
		if !ok {
			rest = append(rest, s)
			continue
		}
		// The link is made beside its place, as a file would be.
		from, to, part := Quote(path.Join(c.target.Parcel, name)), Quote(s.path), Quote(s.part())
		fmt.Fprintf(&script, "[ -f %[1]s ] && mkdir -p -- %[4]s && { [ ! -d %[2]s ] || { echo %[2]s is a folder >&2; exit 1; }; } && ln -sfn -- %[1]s %[3]s && mv -fT -- %[3]s %[2]s || exit\n",
			from, to, part, Quote(path.Dir(s.path)))
	}
	if script.Len() > 0 {
		if _, err := c.Run(ctx, machine.Command{Line: script.String()}); err != nil {
			return nil, fmt.Errorf("linking to the parcel: %w", err)
		}
	}
	return rest, nil
}

func hasBig(sends []*send) bool {
	for _, s := range sends {
		if s.size >= bigFile {
			return true
		}
	}
	return false
}
