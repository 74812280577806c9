package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/distro"
	"noriter.dev/noriter/provision/machine"
)

// tool runs a program of the host and gives the tail of what it printed with
// the error. A program that is missing is a HostError naming its package.
func tool(ctx context.Context, name string, args ...string) ([]byte, error) {
	if _, err := exec.LookPath(name); err != nil {
		return nil, missing(name, err)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8") // diskFull reads what it prints
	var out, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("%s: %w\n%s", name, err, tail(stderr.String(), 12))
	}
	return []byte(out.String()), nil
}

func missing(name string, err error) error {
	return &machine.HostError{
		What:   lang.Textf("the node image needs the program %s", "노드 이미지에는 %s 프로그램이 필요합니다", name).String(),
		Remedy: distro.Remedy(name), Err: err,
	}
}

func tail(s string, lines int) string {
	l := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(l[max(0, len(l)-lines):], "\n")
}
