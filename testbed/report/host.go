package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"noriter.dev/noriter/internal/ambient"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/distro"
	"noriter.dev/noriter/provision/preflight"
	"noriter.dev/noriter/testbed"
)

// commands are what tells of the host, but for packages.
var commands = [][]string{{"uname", "-srvm"}, {"systemctl", "--version"}, {"uptime"}, {"free", "-m"}, {"df", "-h", "-x", "overlay"}}

// variables of the caller's environment: of those in the first list the values, of the
// others only that they are set.
var (
	shown = []string{"LANG", "LC_ALL", "LC_MESSAGES", "TERM", "NO_COLOR", "PATH", "TMPDIR", "TZ"}
	named = []string{"NORI_HOME", "NORI_CACHE", "NORI_TESTBED", "KUBECONFIG", "CDPATH", "LD_LIBRARY_PATH", "GODEBUG", "POSIXLY_CORRECT", "NOTIFY_SOCKET", "LISTEN_FDS", "SSH_AUTH_SOCK"}
)

// programLimit is how long one of them may take to say its version.
const programLimit = 5 * time.Second

func (r *run) host(ctx context.Context) error {
	var b strings.Builder
	fmt.Fprintf(&b, "nori %s, %s %s/%s\n", r.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	release := distro.Of("/")
	fmt.Fprintf(&b, "%s, tried: %v\nprocessors: %d, root: %v, language: %s\n", release.Name, release.Tried(), runtime.NumCPU(), os.Geteuid() == 0, lang.Current())
	for _, name := range shown {
		if v := r.Getenv(name); v != "" {
			fmt.Fprintf(&b, "%s=%s\n", name, v)
		}
	}
	for _, name := range append(append([]string{}, named...), ambient.ProxyVariables...) {
		if r.Getenv(name) != "" {
			fmt.Fprintf(&b, "%s is set\n", name)
		}
	}
	all := commands
	if f, ok := release.Family(); ok {
		all = append(all[:len(all):len(all)], append(append([]string{}, f.Query...), f.Packages(distro.Needs()...)...))
	}
	for _, c := range all {
		b.WriteString("\n$ " + strings.Join(c, " ") + "\n" + output(ctx, c))
	}
	r.add("host.txt", b.String())
	return nil
}

// output is what a program says, or why it says nothing.
func output(ctx context.Context, command []string) string {
	ctx, cancel := context.WithTimeout(ctx, programLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		text = strings.TrimSpace(text + "\n" + err.Error())
	}
	return text + "\n"
}

func (r *run) doctor(ctx context.Context) error {
	o, err := testbed.PreflightFor(r.Home, testbed.Auto, r.Name)
	if err != nil {
		return err
	}
	if r.Testbed != nil {
		o = r.Testbed.Preflight()
	}
	var b strings.Builder
	for _, c := range preflight.All(o) {
		result := c.Run(ctx)
		fmt.Fprintf(&b, "%-4s %s: %s: %s\n", result.Status, c.ID, c.Title, result.Seen)
		if result.Status != preflight.OK && result.Remedy != "" {
			fmt.Fprintf(&b, "     %s\n", result.Remedy)
		}
	}
	r.add("doctor.txt", b.String())
	return nil
}
