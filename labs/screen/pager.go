package screen

import (
	"errors"
	"os"
	"os/exec"
	"strings"

	"noriter.dev/noriter/internal/learner"
)

// page prints lines, through a pager where they don't fit onto the terminal: $PAGER, or
// less, as man(1) does.
func (u *UI) page(lines []string) error {
	_, height := u.size()
	pager := pager()
	if !u.Redraw || len(lines) < height || pager == "" {
		return u.print(lines...)
	}
	cmd := exec.Command("sh", "-c", pager)
	cmd.Stdin = strings.NewReader(strings.Join(u.shown(lines), "\n") + "\n")
	cmd.Stdout, cmd.Stderr = u.Out, u.Err
	// What we write is UTF-8, also where the host lacks the locale that is asked for.
	cmd.Env = append(os.Environ(), "LESS="+lessOptions(), "LESSCHARSET=utf-8")
	who, err := learner.Caller() // a pager starts what its reader types: not as root for whoever came by sudo
	if err != nil {
		return err
	}
	who.Own(cmd)
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() < 126 { // somebody left it; a shell says by 126 and 127 that there is none
		return nil
	}
	if err != nil {
		return u.print(lines...)
	}
	return nil
}

func pager() string {
	if p, ok := os.LookupEnv("PAGER"); ok {
		return p
	}
	if _, err := exec.LookPath("less"); err == nil {
		return "less"
	}
	return ""
}

// lessOptions are the learner's, or: leave what fits, show colours, and let the page stay.
func lessOptions() string {
	if o := os.Getenv("LESS"); o != "" {
		return o
	}
	return "FRX"
}
