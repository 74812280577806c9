package remote

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/provision/machine"
)

// linkScript makes a link from $2 to $1, by way of $3 beside it, as a file's
// part would be.
const linkScript = `set -e
link() {
	if [ ! -f "$1" ]; then echo "$1 is on the parcel's list, and not there" >&2; exit 1; fi
	if [ -d "$2" ]; then echo "$2 is a folder" >&2; exit 1; fi
	mkdir -p -- "$(dirname -- "$2")"
	ln -sfn -- "$1" "$3"
	mv -fT -- "$3" "$2"
}
`

// linkFromParcel puts those files in place that the machine's parcel holds, as
// symbolic links to there, and gives the others. A machine without a parcel has none.
func (c *Client) linkFromParcel(ctx context.Context, sends []*outgoing) ([]*outgoing, error) {
	if c.target.Parcel == "" || !slices.ContainsFunc(sends, func(s *outgoing) bool { return s.size >= bigFile }) {
		return sends, nil
	}
	res, err := c.Run(ctx, machine.Command{Line: "cat " + path.Join(c.target.Parcel, machine.ParcelList), Doing: lang.Text{EN: "reading the parcel's list", KO: "꾸러미 목록 읽기"}})
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
			return nil, lang.Errorf("the parcel of %s lists %q", "%s의 꾸러미 목록에 이해할 수 없는 줄이 있습니다: %q", c.target.Name, l)
		}
		inside[f[0]+" "+f[1]] = f[2]
	}
	var rest []*outgoing
	var links strings.Builder
	for _, s := range sends {
		name, ok := inside[fmt.Sprintf("%o %s", s.mode, s.sha)]
		if !ok {
			rest = append(rest, s)
			continue
		}
		links.WriteString("link " + shell.Join(path.Join(c.target.Parcel, name), s.path, s.part()) + "\n")
	}
	if links.Len() > 0 {
		linking := lang.Text{EN: "linking to the parcel", KO: "꾸러미에 있는 파일로 링크 만들기"}
		if _, err := c.Run(ctx, machine.Command{Line: linkScript + links.String(), Doing: linking}); err != nil {
			return nil, err
		}
	}
	return rest, nil
}
