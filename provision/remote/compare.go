package remote

import (
	"context"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/provision/machine"
)

// compare makes the parent folders and finds out what of the files is on the
// machine already: whole, in part, or as parts of older contents.
func (c *Client) compare(ctx context.Context, sends []*outgoing) error {
	var dirs, names []string
	seen := map[string]bool{}
	for _, s := range sends {
		if d := path.Dir(s.path); !seen[d] {
			seen[d] = true
			dirs = append(dirs, d)
		}
		// A glob of its own for each, as a name may hold any character.
		names = append(names, shell.Quote(s.path), shell.Quote(path.Dir(s.path)+"/."+path.Base(s.path)+partInfix)+"*")
	}
	line := "mkdir -p -- " + shell.Join(dirs...) + " || exit\n" +
		"stat -L -c '%s %a %F/%n' -- " + strings.Join(names, " ") + " 2>/dev/null; true"
	res, err := c.Run(ctx, machine.Command{Line: line, Doing: lang.Text{EN: "looking which files are there", KO: "이미 있는 파일 확인"}})
	if err != nil {
		return err
	}
	found := map[string]status{}
	for l := range strings.Lines(string(res.Stdout)) {
		name, st, err := parseStat(strings.TrimSuffix(l, "\n"))
		if err != nil {
			return lang.Errorf("looking at the files of %s: %w", "%s의 파일 확인: %w", c.target.Name, err)
		}
		found[name] = st
	}
	var same []string
	for _, s := range sends {
		if st, ok := found[s.path]; ok {
			if st.dir {
				return lang.Errorf("%s is a folder on %s", "%[2]s에서 %[1]s은(는) 폴더입니다", s.path, c.target.Name)
			}
			s.haveMode = st.mode
			if st.size == s.size {
				same = append(same, s.path)
			}
		}
		s.findParts(found)
	}
	sums, err := c.checksums(ctx, same)
	if err != nil {
		return err
	}
	for _, s := range sends {
		s.done = sums[s.path] == s.sha
	}
	return nil
}

// status is what stat(1) told of a file.
type status struct {
	size int64
	mode fs.FileMode
	dir  bool
}

// parseStat reads a line "SIZE OCTALMODE KIND/NAME"; KIND holds no slash.
func parseStat(line string) (string, status, error) {
	size, rest, ok1 := strings.Cut(line, " ")
	mode, rest, ok2 := strings.Cut(rest, " ")
	kind, name, ok3 := strings.Cut(rest, "/")
	n, err1 := strconv.ParseInt(size, 10, 64)
	m, err2 := strconv.ParseUint(mode, 8, 16)
	if !ok1 || !ok2 || !ok3 || err1 != nil || err2 != nil || n < 0 {
		return "", status{}, lang.Errorf("stat answered %q", "stat의 출력을 이해할 수 없습니다: %q", line)
	}
	return "/" + strings.TrimPrefix(name, "/"), status{size: n, mode: fs.FileMode(m & 0o777), dir: kind == "directory"}, nil
}

// checksums gives the SHA-256 of each file that is there.
func (c *Client) checksums(ctx context.Context, paths []string) (map[string]string, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	res, err := c.Run(ctx, machine.Command{
		Line:    "sha256sum -- " + shell.Join(paths...) + " 2>/dev/null; true",
		Doing:   lang.Text{EN: "taking checksums", KO: "체크섬 계산"},
		Timeout: hashTimeout,
	})
	if err != nil {
		return nil, err
	}
	sums := map[string]string{}
	for l := range strings.Lines(string(res.Stdout)) {
		// Two spaces, or one and an asterisk: coreutils, "binary" marker.
		sum, name, ok := strings.Cut(strings.TrimSuffix(l, "\n"), " ")
		if !ok || len(sum) != 64 || len(name) < 2 {
			return nil, lang.Errorf("sha256sum on %s answered %q", "%s의 sha256sum 출력을 이해할 수 없습니다: %q", c.target.Name, l)
		}
		sums[name[1:]] = sum
	}
	return sums, nil
}
